"""All sides of the evaluation benchmark answer alike, so that their times may be compared."""

import numpy as np
import pytest
import torch

from components.evaluation.answer import Answerer
from components.models import build
from components.models.processing import build_tokenizer
from tests.benchmarks import evaluation
from tests.components.conftest import TINY

WORDS = "C picks up the red cup with the right hand what does do".split()


class Frames:
    """A store of random frames: of its name, so many of them."""

    def frames(self, sample_id: str) -> np.ndarray:
        seed, count = map(int, sample_id.split("-"))
        return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


def sample(number: int) -> dict:
    choices = [" ".join(WORDS[number : number + length]) for length in (1, 2, 5)]
    return {
        "view": ("ego", "exo")[number % 2], "question": " ".join(WORDS[: number + 1]), "question_type": "action",
        "answer": "", "corpus": "egore", "media": [], "target": {"kind": "choice", "choices": choices},
    }  # fmt: skip


@pytest.mark.parametrize("how", ["complete", "rank"])
def test_all_sides_answer_alike(how):
    tokenizer = build_tokenizer([" ".join(WORDS)])
    processor = build.processor_for(build.tiny_config(TINY, tokenizer), tokenizer)
    model = build.assemble(build.config_of(processor), {}, seed=0)
    with torch.no_grad():  # a fresh model finds all words about equally likely
        model.lm_head.weight.mul_(40)
    samples = [sample(number % 4) for number in range(8)]
    shown = ["0-2", "1-4", "0-2", "1-4", "2-4", "1-4", "3-2", "0-2"]
    limits = {"reasoned": False, "max_batch_tokens": 200, "max_new_tokens": 6}
    sides = (Answerer, evaluation.Of02b4f5b, evaluation.OneByOne)
    ours, *peers = (getattr(side(model, processor, Frames(), **limits), how)(samples, shown) for side in sides)
    assert peers == [ours, ours] and len(set(ours)) > 3
