"""Scores of answers, a number for each sample and metric of a task, and what chance would score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components import prompts
from components.evaluation import caption_slots
from components.evaluation.caption_slots import Sample, Scores
from components.metrics import Box, box_iou, temporal_iou

CHANCE_PAIRS_SEED = 0


def choice(samples: list[Sample], chosen: list[int]) -> Scores:
    """Score the chosen options: 1.0 where it is the right one."""
    correct: list[float | None] = [
        float(index == sample["target"]["answer_index"]) for sample, index in zip(samples, chosen, strict=True)
    ]
    return {"accuracy": correct}


def has_options(sample: Sample) -> bool:
    """Return whether a question is multiple choice: an open answer is right in many words."""
    return sample["target"]["kind"] == "choice"


def choice_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the mean accuracy of a uniform guess, one over the number of options."""
    return {"accuracy": float(np.mean([1 / len(sample["target"]["choices"]) for sample in samples]))}


def reasoning(samples: list[Sample], completions: list[str]) -> Scores:
    """Score chains of thought: whether the option inside the answer tags is the right one, and whether tags stand."""
    scores: Scores = {"accuracy": [], "format": []}
    for sample, completion in zip(samples, completions, strict=True):
        parts, target = prompts.split_think_answer(completion), sample["target"]
        index = prompts.parse_choice(parts[1], target["choices"]) if parts else None
        scores["accuracy"].append(float(index == target["answer_index"]))
        scores["format"].append(float(parts is not None))
    return scores


def reasoning_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the scores of a uniform guess, which writes no tags."""
    return choice_chance(samples) | {"format": 0.0}


def verification(samples: list[Sample], chosen: list[int]) -> Scores:
    """Score yes/no answers, and whether each was "yes": a model that always says the same has an accuracy of a half."""
    yes: list[float | None] = [
        float(sample["target"]["choices"][index] == "yes") for sample, index in zip(samples, chosen, strict=True)
    ]
    return choice(samples, chosen) | {"said_yes": yes}


def verification_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the scores of a uniform guess between yes and no."""
    return choice_chance(samples) | {"said_yes": 0.5}


def _box(sample: Sample) -> Box:
    x1, y1, x2, y2 = sample["target"]["box_xyxy"]
    return x1, y1, x2, y2


def _span(sample: Sample) -> tuple[float, float]:
    return sample["target"]["span"]["start_s"], sample["target"]["span"]["end_s"]


def _grounding(parse: Callable, overlap: Callable, truth: Callable, thresholds: dict[str, float]) -> Callable:
    def score(samples: list[Sample], completions: list[str]) -> Scores:
        scores: Scores = {name: [] for name in ("miou", *thresholds, "format")}
        for sample, completion in zip(samples, completions, strict=True):
            parts = prompts.split_think_answer(completion)
            answer = parse(parts[1]) if parts else None
            value = overlap(answer, truth(sample)) if answer else 0.0  # an unreadable answer is wrong, never left out
            scores["miou"].append(value)
            scores["format"].append(float(answer is not None))
            for name, threshold in thresholds.items():
                scores[name].append(float(value >= threshold))
        return scores

    return score


def _grounding_chance(overlap: Callable, truth: Callable, thresholds: dict[str, float]) -> Callable:
    def chance(samples: list[Sample]) -> dict[str, float]:
        """Return the scores of answering each sample with the truth of another: a guess of the right distribution."""
        others = np.random.default_rng(CHANCE_PAIRS_SEED).permutation(len(samples))
        values = np.array(
            [overlap(truth(samples[i]), truth(s)) for i, s in zip(others, samples, strict=True) if samples[i] is not s]
        )
        return {
            "miou": float(values.mean()),
            **{name: float((values >= t).mean()) for name, t in thresholds.items()},
            "format": 0.0,
        }

    return chance


_BOX_THRESHOLDS = {"r1_50": 0.5}
_SPAN_THRESHOLDS = {"r1_30": 0.3, "r1_50": 0.5}

_TEMPORAL = (
    _grounding(prompts.parse_span, temporal_iou, _span, _SPAN_THRESHOLDS),
    _grounding_chance(temporal_iou, _span, _SPAN_THRESHOLDS),
)

CHOICES = ("qa", "verify_ego", "verify_exo")  # their answers are indices of options; the others' are completions
# task -> (function of samples and answers to scores, function of samples to the scores of chance)
TASKS: dict[str, tuple[Callable, Callable]] = {
    "caption_ego": (caption_slots.score, caption_slots.chance),
    "caption_exo": (caption_slots.score, caption_slots.chance),
    "qa": (choice, choice_chance),
    "reasoning": (reasoning, reasoning_chance),
    "ground_spatial": (
        _grounding(prompts.parse_box, box_iou, _box, _BOX_THRESHOLDS),
        _grounding_chance(box_iou, _box, _BOX_THRESHOLDS),
    ),
    "ground_temporal": _TEMPORAL,
    "ground_temporal_exo": _TEMPORAL,
    "verify_ego": (verification, verification_chance),
    "verify_exo": (verification, verification_chance),
}
# task -> whether it can score a sample; tasks that are not named here can score all of theirs
SCORABLE: dict[str, Callable[[Sample], bool]] = {
    "caption_ego": caption_slots.is_readable,
    "caption_exo": caption_slots.is_readable,
    "qa": has_options,
    "reasoning": has_options,
}
