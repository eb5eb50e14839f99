"""Samples that ask the same of an ego and of an exo view: what is right in both (`components.metrics.consistency`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from components.benchmarks.shared.sample import Choice, Sample
from components.metrics import consistency, temporal_iou

Pair = tuple[int, int]  # places of the ego and of the exo sample


def pairs_of(samples: Sequence[Sample]) -> list[Pair]:
    """Return the places (ego, exo) of each pair; of several samples of one view each has one partner, by its id.

    Args:
        samples: of a benchmark; those that share a `pair` and were filmed from both views make one.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for place in sorted(range(len(samples)), key=lambda place: samples[place].sample_id):
        sample = samples[place]
        if sample.pair:
            found.setdefault(sample.pair, {"ego": [], "exo": []})[sample.media[0].view].append(place)
    return [pair for views in found.values() for pair in zip(views["ego"], views["exo"], strict=False)]


def as_samples(samples: Sequence[Sample], pairs: Sequence[Pair]) -> list[Sample]:
    """Return a sample that stands for each pair: its ego one, in the subsets that both are in."""
    return [
        replace(samples[ego], subsets=tuple(name for name in samples[ego].subsets if name in samples[exo].subsets))
        for ego, exo in pairs
    ]


def right_of(sample: Sample) -> str:
    """Return the name of the score that says whether the answer to a sample is right."""
    return "accuracy" if isinstance(sample.target, Choice) else f"r1_{round(100 * consistency.THRESHOLD)}"


def scores(
    samples: Sequence[Sample],
    pairs: Sequence[Pair],
    of_each: Mapping[str, Sequence[float | None]],
    answers: Sequence[Any],
) -> dict[str, list[float]]:
    """Return the scores of each pair.

    Args:
        samples: that were answered.
        pairs: as `pairs_of` returns them, at least one.
        of_each: metric -> a score of each sample; the right one (`right_of`) is never None.
        answers: of each sample what was read, None for nothing.
    """
    overlap = [_overlap((samples[ego], answers[ego]), (samples[exo], answers[exo])) for ego, exo in pairs]
    same = (np.array(overlap) >= consistency.THRESHOLD).astype(np.float64)
    found = _scores(samples, pairs, of_each, same)
    if not isinstance(samples[pairs[0][0]].target, Choice):
        found["mutual_tiou"] = overlap
    return found


def guessed(
    samples: Sequence[Sample], pairs: Sequence[Pair], of_each: Mapping[str, Sequence[float | None]]
) -> dict[str, list[float]]:
    """Return the scores of guesses of each pair, of which is known how often they are right, but not which they are.

    Args:
        samples: that were guessed.
        pairs: as `pairs_of` returns them, at least one.
        of_each: metric -> a score of each sample; the right one (`right_of`) is never None.
    """
    found = _scores(samples, pairs, of_each, np.zeros(len(pairs)))
    del found["agreement"]
    return found


def _scores(
    samples: Sequence[Sample], pairs: Sequence[Pair], of_each: Mapping[str, Sequence[float | None]], same: np.ndarray
) -> dict[str, list[float]]:
    ego, exo = np.array(pairs).T
    right = np.array(of_each[right_of(samples[pairs[0][0]])], dtype=np.float64)
    return {name: values.tolist() for name, values in consistency.scores(right[ego], right[exo], same).items()}


def _overlap(ego: tuple[Sample, Any], exo: tuple[Sample, Any]) -> float:
    """Return how alike two answers are: tIoU of intervals, 1 or 0 of options, 0 where one could not be read."""
    if ego[1] is None or exo[1] is None:
        return 0.0
    if isinstance(ego[0].target, Choice):  # by their words, which may stand in another order
        return float(len({sample.target.options[index] for sample, index in (ego, exo)}) == 1)
    return temporal_iou(ego[1], exo[1])
