"""What a student makes of a teacher's words, against single forwards without padding, cache or batches."""

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from components import params
from components.evaluation import alignment
from components.evaluation.answer import Answerer
from components.evaluation.measure import Asked, evaluate
from components.models.processing import layout, normalise
from tests.components.evaluation.test_measure import write_checkpoint


class Frames:
    """A store of random frames: of its name and view."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        seed = int(sample_id) * 2 + (exo_view is not None)
        return np.random.default_rng(seed).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def samples() -> list[dict]:
    asked = {"corpus": "egoexoclip", "view": "ego", "question_type": "narration", "answer": ""}
    asked |= {"media": [{"start_s": 0.0, "end_s": 2.0}], "target": {"kind": "text", "text": ""}}
    return [{"sample_id": str(n), **asked, "question": ("what does C do?", "which action?")[n % 2]} for n in range(5)]


@pytest.fixture
def models(model):
    """A teacher and a student with louder heads: fresh ones find all words about equally likely."""
    student = copy.deepcopy(model)
    with torch.no_grad():
        model.lm_head.weight.mul_(20)
        student.lm_head.weight.mul_(-10)
    return model, student


def answerer(model, processor, *, tokens: int = 300) -> Answerer:
    return Answerer(model, processor, Frames(), reasoned=False, max_batch_tokens=tokens, max_new_tokens=5)


@torch.no_grad()
def alone(model, processor, sample: dict, ids: list[int], *, view: str, frames_of: str) -> torch.Tensor:
    frames = Frames().frames(frames_of, exo_view=None if view == "ego" else 0)
    prompt = f"<bos>{layout(model.config, view, 4)}<user>{sample['question']}<assistant>"
    asked = processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    logits = model(input_ids=torch.tensor([asked + ids]), pixel_values=normalise(frames)).logits[0]
    return logits[len(asked) - 1 : -1].log_softmax(-1)


@pytest.mark.parametrize("tokens", [1, 300])
def test_both_measures_are_those_of_single_forwards(models, processor, samples, tokens):
    teacher, student = models
    inside = answerer(teacher, processor, tokens=tokens)
    shown = ["1", "2", "3", "4", "0"]  # another moment's exo view, as a control shows it
    names = [sample["sample_id"] for sample in samples]
    made = alignment.Alignment(answerer(student, processor, tokens=tokens), inside)
    replies = [json.loads(reply.completion) for reply in made.answer(samples, shown)]
    said = inside.complete(samples, names)
    assert [reply["words"] for reply in replies] == [each.completion for each in said]
    for sample, other, reply, words in zip(samples, shown, replies, said, strict=True):
        text = words.completion + "<eos>" * (not words.is_cut)
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        log_p = alone(teacher, processor, sample, ids, view="ego", frames_of=sample["sample_id"])
        log_q = alone(student, processor, sample, ids, view="exo", frames_of=other)
        assert reply["tokens"] == len(ids)
        nll = -sum(float(log_q[place, token]) for place, token in enumerate(ids))
        assert math.isclose(reply["nll"], nll, rel_tol=1e-3)
        kl = float((log_p.exp() * (log_p - log_q)).sum())
        assert math.isclose(reply["kl"], kl, rel_tol=1e-3) and kl > 0


def test_the_mean_over_answers_is_that_over_tokens():
    rows = [{"tokens": 1, "nll": 3.0, "kl": 1.0}, {"tokens": 9, "nll": 9.0, "kl": 0.0}]
    found = alignment.score([], [json.dumps(row) for row in rows])
    assert np.mean(found["log_perplexity"]) == pytest.approx(12 / 10)
    assert np.mean(found["kl"]) == pytest.approx(1 / 10)


def test_other_words_are_no_words_to_compare(models, processor):
    other = copy.deepcopy(processor)
    other.tokenizer.add_tokens(["elsewhere"])
    with pytest.raises(ValueError, match="tokenizers with other words"):
        alignment.Alignment(answerer(models[1], processor), answerer(models[0], other))


@pytest.mark.slow
def test_a_checkpoint_is_measured_beside_its_teacher(model, processor, tiny_data, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "one", model, processor, tiny_data)
    promotion = params.Promotion(model_name="tiny", primary_metric="qa/accuracy", guardrail_metrics={})
    settings = params.Eval(
        seed=3, bootstrap_resamples=50, limits={"alignment": 4}, promotion=promotion, max_batch_tokens=600,
        max_new_tokens=6, controls={"other_frames": 4, "grey": 2, "guesser": 4},
    )  # fmt: skip
    how = Asked(["alignment"], rank_options=False, max_new_tokens=6, time_step_s=1.0)
    with pytest.raises(ValueError, match="needs a teacher; name its stage as `teacher`"):
        evaluate(checkpoint, tiny_data, settings, how)
    found = evaluate(checkpoint, tiny_data, settings, dataclasses.replace(how, teacher=checkpoint))
    assert set(found) == {"alignment/log_perplexity", "alignment/kl"}
    for entry in found.values():
        # lower is nearer, and no text without frames has probabilities
        assert entry["value"] > 0 and entry["learned"] is None and entry["controls"].keys() == {"other_frames", "grey"}
        # a score is divided by the mean length of the answers of its condition, so both have the same answers
        assert entry["controls"]["grey"]["n"] == entry["n"] == 4
    # the teacher belongs to what an evaluation is
    before = json.loads((checkpoint / "evaluation/identity.json").read_text())
    (write_checkpoint(tmp_path / "two", model, processor, tiny_data) / "model/more.json").write_text("{}")
    evaluate(checkpoint, tiny_data, settings, dataclasses.replace(how, teacher=tmp_path / "two"))
    after = json.loads((checkpoint / "evaluation/identity.json").read_text())
    assert {name for name in before if before[name] != after[name]} == {"teacher"}
