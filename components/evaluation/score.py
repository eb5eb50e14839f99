"""Scores of answers, a number for each sample and metric of a task, and what chance would score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components import prompts
from components.evaluation import captions
from components.evaluation.caption_slots import Sample, Scores
from components.metrics import Box, box_iou, temporal_iou

CHANCE_PAIRS_SEED = 0


def chosen_option(sample: Sample, completion: str) -> int | None:
    """Return the index of the option that a completion names; None where it names none.

    Args:
        sample: a row of `records.SAMPLE`, with `reasoned`, whether its answer must stand inside the answer tags.
        completion: what the model wrote, or the option that ranking chose.
    """
    parts = prompts.split_think_answer(completion)
    if parts is None and sample["reasoned"]:
        return None
    answer = parts[1] if parts else completion
    return prompts.parse_choice(answer, sample["target"]["choices"], lettered=sample["reasoned"])


def choice(samples: list[Sample], completions: list[str]) -> Scores:
    """Score the chosen options: 1.0 where it is the right one, 0.0 where it is another or none."""
    correct: list[float | None] = [
        float(chosen_option(sample, completion) == sample["target"]["answer_index"])
        for sample, completion in zip(samples, completions, strict=True)
    ]
    return {"accuracy": correct}


def has_options(sample: Sample) -> bool:
    """Return whether a question is multiple choice."""
    return sample["target"]["kind"] == "choice"


def choice_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the mean accuracy of a uniform guess, one over the number of options."""
    return {"accuracy": float(np.mean([1 / len(sample["target"]["choices"]) for sample in samples]))}


def reasoning(samples: list[Sample], completions: list[str]) -> Scores:
    """Score chains of thought: whether the option inside the answer tags is the right one, and whether tags stand."""
    scores: Scores = {"accuracy": [], "format": []}
    for sample, completion in zip(samples, completions, strict=True):
        parts, target = prompts.split_think_answer(completion), sample["target"]
        index = prompts.parse_choice(parts[1], target["choices"], lettered=True) if parts else None
        scores["accuracy"].append(float(index == target["answer_index"]))
        scores["format"].append(float(parts is not None))
    return scores


def reasoning_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the scores of a uniform guess, which writes no tags."""
    return choice_chance(samples) | {"format": 0.0}


def verification(samples: list[Sample], completions: list[str]) -> Scores:
    """Score yes/no answers, and whether each was "yes": a model that always says the same has an accuracy of a half."""
    yes: list[float | None] = [
        float(parsed(sample, completion) == prompts.YES)
        for sample, completion in zip(samples, completions, strict=True)
    ]
    return choice(samples, completions) | {"said_yes": yes}


def verification_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the scores of a uniform guess between yes and no."""
    return choice_chance(samples) | {"said_yes": 0.5}


def parsed(sample: Sample, completion: str) -> str | None:
    """Return what the score of a sample reads in a completion; None where it can read nothing."""
    target, parts = sample["target"], prompts.split_think_answer(completion)
    if target["kind"] == "choice":
        index = chosen_option(sample, completion)
        return None if index is None else target["choices"][index]
    if target["kind"] in ("box", "span"):
        parse = prompts.parse_box if target["kind"] == "box" else prompts.parse_span
        return parts[1] if parts and parse(parts[1]) else None
    return completion


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
        values = np.array([overlap(truth(other), truth(sample)) for sample, other in captions.pairs(samples)])
        if not len(values):
            return {"format": 0.0}
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

CHOICES = ("qa", "verify_ego", "verify_exo", "con_verify")  # closed questions, whose options can be ranked
# task -> (function of samples and completions to scores, function of samples to the scores of chance)
TASKS: dict[str, tuple[Callable, Callable]] = {
    **dict.fromkeys(("caption_ego", "caption_exo"), (captions.score, captions.chance)),
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
# task -> whether it can score a sample, and why not; tasks that are not named here can score all of theirs
SCORABLE: dict[str, tuple[Callable[[Sample], bool], str]] = {
    **dict.fromkeys(("qa", "reasoning"), (has_options, "an open answer, right in many words")),
}
