"""What was read of frames is read once, and whoever goes on behind it answers as if it had read all by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicLayer

from components.evaluation import prefix_cache
from components.evaluation.answer import Answerer
from components.evaluation.prefix_cache import RoomyLayer
from components.evaluation.replies import Reply
from components.models.processing import layout, normalise

QUESTIONS = ["what does C do?", "C picks up", "the red cup", "what does C do?", "with the right hand"]
CHOICES = ["the red cup", "C picks up the red cup with the right hand", "hand"]


class Frames:
    """A store of random frames: of its name, so many of them."""

    def frames(self, sample_id: str) -> np.ndarray:
        seed, count = map(int, sample_id.split("-"))
        return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def sharp(model):
    """The tiny model with a louder head, where many words end an answer."""
    with torch.no_grad():
        model.lm_head.weight.mul_(40)
    model.generation_config.eos_token_id = [*range(0, model.config.text_config.vocab_size, 3)]
    return model


def answerer(model, processor, *, tokens: int = 10_000) -> Answerer:
    return Answerer(model, processor, Frames(), reasoned=False, max_batch_tokens=tokens, max_new_tokens=12)


def samples(questions: list[str]) -> list[dict]:
    asked = {"view": "ego", "question_type": "", "answer": "", "corpus": "egore", "media": []}
    return [asked | {"question": text, "target": {"kind": "choice", "choices": CHOICES}} for text in questions]


def shapes(model) -> list[tuple[int, int]]:
    """Batch and length of whatever the language model reads from now on."""
    seen: list[tuple[int, int]] = []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, inputs: seen.append(tuple(inputs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    return seen


def test_questions_share_one_reading_of_their_frames(sharp, processor):
    answers, read = answerer(sharp, processor), shapes(sharp)
    asked = samples(QUESTIONS)
    context = len(processor.tokenizer(f"<bos>{layout(sharp.config, 'ego', 4)}", add_special_tokens=False)["input_ids"])
    answers.rank(asked, ["0-4"] * 5)
    options = [len(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in CHOICES]
    assert [batch for batch, _ in read] == [1, 5, 5] and read[0][1] == context
    assert read[1][1] < context and read[2][1] == sum(options), "no option reads its prompt again"
    read.clear()
    answers.complete(asked, ["0-4"] * 5)
    assert read[0][0] == 4, "equal prompts are asked once, and frames that were read are not read again"
    read.clear()
    answers.complete(samples(["red"]), ["1-4"])
    assert read[0] == (1, context)


def test_what_is_forgotten_is_read_again(sharp, processor, monkeypatch):
    asked, shown = samples(QUESTIONS), ["0-4", "1-2", "2-4", "0-4", "1-2"]
    kept = answerer(sharp, processor).complete(asked, shown)
    monkeypatch.setattr(prefix_cache, "KEPT_BYTES", 0)
    answers, read = answerer(sharp, processor, tokens=100), shapes(sharp)
    assert answers.complete(asked, shown) == kept == answers.complete(asked, shown)
    assert sum(length for _, length in read) > 0 and len(answers._reader._kept) < 3


def test_rows_that_end_leave_the_batch_and_all_answer_as_alone(sharp, processor):
    expected = []
    asked = samples([" ".join(QUESTIONS[number % 5].split()[: 1 + number % 3]) for number in range(24)])
    shown = [f"{number}-{(2, 4)[number % 2]}" for number in range(24)]
    for sample, name in zip(asked, shown, strict=True):
        frames = Frames().frames(name)
        prompt = f"<bos>{layout(sharp.config, 'ego', len(frames))}<user>{sample['question']}<assistant>"
        inputs = processor.tokenizer([prompt], add_special_tokens=False, return_tensors="pt")
        ids = sharp.generate(**inputs, pixel_values=normalise(frames), max_new_tokens=12, do_sample=False)[0]
        said = ids[inputs["input_ids"].shape[1] :].tolist()
        text = processor.tokenizer.decode(said, skip_special_tokens=True)
        expected.append(Reply(text, len(said), is_cut=said[-1] not in sharp.generation_config.eos_token_id))
    answers, read = answerer(sharp, processor), shapes(sharp)
    assert answers.complete(asked, shown) == expected
    assert len({reply.tokens for reply in expected}) > 3, "the answers are of many lengths"
    sizes = [batch for batch, length in read if length == 1]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] <= sizes[0] / 2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=6), st.integers(0, 99))
def test_a_cache_with_room_holds_what_transformers_own_does(steps, seed):
    torch.manual_seed(seed)
    first = torch.randn(2, 4, 3, 5, 2)
    roomy, plain = RoomyLayer(*first), DynamicLayer()
    plain.update(*first)
    for length, selects in steps:
        if selects:
            rows = torch.randint(len(plain.keys), (2,))
            roomy.batch_select_indices(rows)
            plain.batch_select_indices(rows)
        new = torch.randn(2, len(plain.keys), 3, length, 2)
        for ours, theirs in zip(roomy.update(*new), plain.update(*new), strict=True):
            assert torch.equal(ours, theirs)
    assert roomy.get_seq_length() == plain.get_seq_length()
