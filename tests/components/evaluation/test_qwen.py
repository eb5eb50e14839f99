"""A Qwen checkpoint answers in batches as alone, and ranks options by the likelihoods of a plain forward."""

import numpy as np
import pytest
import torch

from components import params
from components.evaluation.load import answerer_of
from components.evaluation.qwen import QwenAnswerer
from components.evaluation.replies import TOO_LONG
from components.models import qwen_vl

OPTIONS = ["the red cup", "a pan", "C picks up the red cup with the right hand", "hand"]


class Frames:
    """A store of random frames: of its name, so many of them."""

    def frames(self, sample_id: str) -> np.ndarray:
        seed, count = map(int, sample_id.split("-"))
        return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


def sample(number: int) -> dict:
    return {
        "sample_id": f"{number}-{(2, 4, 7)[number % 3]}", "view": "ego", "frame_kind": ("clip", "image")[number % 2],
        "question": ("what does C do?", "where is the blue bowl?")[number % 2], "question_type": "object",
        "answer": OPTIONS[0], "media": [{"start_s": 0.0, "end_s": 2.0}],
        "target": {"kind": "choice", "choices": OPTIONS[: 2 + number % 3]}, "reasoned": False,
    }  # fmt: skip


SAMPLES = [sample(number) for number in range(5)]
IDS = [one["sample_id"] for one in SAMPLES]


@pytest.fixture(params=params.QWEN)
def loaded(request, qwen_bases) -> tuple:
    model = qwen_vl.load(qwen_bases[request.param])
    torch.manual_seed(1)
    with torch.no_grad():  # a fresh model finds all words about equally likely, whatever it sees
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return model, qwen_vl.load_processor(qwen_bases[request.param], pixels=None)


def answerer(loaded: tuple, tokens: int = 2000) -> QwenAnswerer:
    return QwenAnswerer(*loaded, Frames(), most_frames=4, reasoned=False, max_batch_tokens=tokens, max_new_tokens=5)


@pytest.mark.parametrize("of", ["complete", "rank"])
def test_a_batch_answers_as_each_sample_alone(loaded, of):
    together, alone = (getattr(answerer(loaded, tokens), of)(SAMPLES, IDS) for tokens in (100_000, 1))
    assert together == alone


def test_the_chosen_option_is_the_likeliest_of_a_plain_forward(loaded):
    model, processor = loaded
    chosen = answerer(loaded).rank(SAMPLES, IDS)
    for one, reply in zip(SAMPLES, chosen, strict=True):
        frames = Frames().frames(one["sample_id"])
        shown = qwen_vl.shown({**one, "frames": frames, "times_s": None}, most_frames=4)
        means = []
        for text in one["target"]["choices"]:
            prompt = qwen_vl.encode(processor, [shown])
            answer = [*processor.tokenizer(text)["input_ids"], processor.tokenizer.eos_token_id]
            ids = torch.tensor([prompt["input_ids"][0] + answer])
            kinds = torch.tensor([prompt["mm_token_type_ids"][0] + [0] * len(answer)])
            images = {name: torch.as_tensor(prompt[name]) for name in ("pixel_values", "image_grid_thw")}
            with torch.no_grad():
                logits = model(input_ids=ids, mm_token_type_ids=kinds, **images).logits[0, -len(answer) - 1 : -1]
            means.append(logits.log_softmax(-1)[range(len(answer)), answer].mean().item())
        assert reply.completion == one["target"]["choices"][int(np.argmax(means))] and np.ptp(means) > 0.01


def test_frames_make_a_difference(loaded):
    blind = answerer(loaded).complete(SAMPLES, IDS[1:] + IDS[:1])
    assert blind != answerer(loaded).complete(SAMPLES, IDS)


def test_a_checkpoint_is_read_by_its_architecture(qwen_bases):
    stage = {"guidance": False, "reasoned": False, "max_frames": 4}
    made = answerer_of(qwen_bases["qwen2_vl"], stage, Frames(), max_batch_tokens=99, max_new_tokens=3)
    assert isinstance(made, QwenAnswerer) and made.most_frames == 4


def test_a_prompt_beyond_the_context_is_not_asked(loaded):
    samples = [*SAMPLES[:2], {**SAMPLES[2], "question": "what does C do? " * 2000}]
    replies = answerer(loaded).complete(samples, IDS[:3])
    assert replies == [*answerer(loaded).complete(SAMPLES[:2], IDS[:2]), TOO_LONG]


def test_a_model_answers_in_its_own_dtype(loaded):
    model, processor = loaded
    answers = answerer((model.to(torch.bfloat16), processor))
    assert len(answers.complete(SAMPLES, IDS)) == len(answers.rank(SAMPLES, IDS)) == 5
