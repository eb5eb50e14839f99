"""What F gives is measured against what it should give, by retrieval and by captions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.answer import Answerer
from components.evaluation.mapping import TASKS, Pairs, nearest, ridge, with_encoder
from components.models.processing import normalise


class Frames:
    """A store of random frames: of its name and view."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        seed = int(sample_id) * 2 + (exo_view is not None)
        return np.random.default_rng(seed).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def samples() -> list[dict]:
    asked = {"corpus": "egoexoclip", "view": "ego", "question": "what does C do?", "answer": "C cuts the red cup."}
    asked |= {"media": [{"start_s": 0.0, "end_s": 2.0}], "target": {"kind": "text", "text": asked["answer"]}}
    return [{"sample_id": str(n), **asked} for n in range(11)]


@pytest.fixture
def pairs(model, processor):
    known = [{"sample_id": str(n)} for n in range(20, 40)]
    return Pairs(Answerer(model, processor, Frames(), reasoned=False, max_batch_tokens=400, max_new_tokens=4), known)


def ids_of(samples: list[dict]) -> list[str]:
    return [sample["sample_id"] for sample in samples]


def features(grids: torch.Tensor) -> torch.Tensor:
    """Means over the two steps of each sample, and over patches."""
    return grids.mean((2, 3)).unflatten(0, (-1, 2)).mean(1)


@torch.no_grad()
def test_retrieval_looks_for_y_from_each_side(pairs, model, samples):
    ids, known, encode = ids_of(samples), [str(n) for n in range(20, 40)], model.model.encode

    def shown(names: list[str], exo_view: int | None = None) -> torch.Tensor:
        return normalise(np.concatenate([Frames().frames(name, exo_view=exo_view) for name in names]))

    x, y = encode(shown(ids), "ego"), features(encode(shown(ids, 0), "exo"))
    before, after = features(encode(shown(known), "ego")), features(encode(shown(known, 0), "exo"))
    guesses = {
        "retrieval_fx": features(model.model.mapping_f(x)),
        "retrieval_identity": features(x),
        "retrieval_oracle": (features(x) - before.mean(0)) @ ridge(before, after),
    }
    for task, guess in guesses.items():
        said = pairs.answer(task, samples, ids)
        assert [reply.completion for reply in said] == [ids[place] for place in nearest(guess, y)], task
        # the blind guess from other frames
        assert pairs.answer(task, samples, ids[1:] + ids[:1]) == said[1:] + said[:1]
    score, chance = TASKS["retrieval_fx"]
    assert score(samples, ids) == {"top1": [1.0] * 11} and chance(samples) == {"top1": 1 / 11}
    assert score(samples, ids[::-1])["top1"].count(1.0) == 1


def test_captions_of_the_true_exo_are_those_of_the_exo_branch(pairs, model, processor, samples):
    class Outside(Frames):
        def frames(self, sample_id: str) -> np.ndarray:
            return super().frames(sample_id, exo_view=0)

    branch = Answerer(model, processor, Outside(), reasoned=False, max_batch_tokens=400, max_new_tokens=4)
    exo = [{**sample, "view": "exo"} for sample in samples]
    assert pairs.answer("caption_true_exo", samples, ids_of(samples)) == branch.complete(exo, ids_of(samples))


@pytest.mark.parametrize("task", ["caption_fx", "caption_identity"])
@torch.no_grad()
def test_captions_of_f_stand_where_y_stood(pairs, model, processor, samples, task, monkeypatch):
    said = pairs.answer(task, samples[3:4], ["3"])
    grid = model.model.encode(normalise(Frames().frames("3")), "ego")
    grid = model.model.mapping_f(grid) if task == "caption_fx" else grid
    monkeypatch.setattr(model.model, "encode", lambda frames, view: grid)
    branch = Answerer(model, processor, Frames(), reasoned=False, max_batch_tokens=400, max_new_tokens=4)
    assert said == branch.complete([{**samples[3], "view": "exo"}], ["3"])


def test_a_twin_sees_otherwise_and_the_model_stays(model):
    twin = with_encoder(model, lambda frames: torch.zeros(2, 32, 8, 8))
    frames = normalise(Frames().frames("3"))
    assert twin.model.encode(frames, "exo").abs().sum() == 0
    assert model.model.encode(frames, "exo").abs().sum() > 0
    assert twin.model.language_model is model.model.language_model


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_oracle_finds_a_linear_truth(seed):
    torch.manual_seed(seed)
    x, weights = torch.randn(60, 8), torch.randn(8, 5)
    y = x @ weights + 3
    assert torch.allclose(ridge(x, y), weights, atol=1e-2)
    assert nearest((x - x.mean(0)) @ ridge(x, y), y) == list(range(60))


def test_the_nearest_do_not_see_what_all_have_in_common():
    y = torch.randn(9, 6)
    assert nearest(y + 100, y - 100) == list(range(9))
