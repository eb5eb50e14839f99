"""Scores of all samples, of each subset and of each length, with intervals over videos."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components import params
from components.benchmarks.shared.sample import Sample
from components.metrics import statistics

LENGTHS = ((30.0, "up to 30 s"), (120.0, "30 s to 2 min"), (600.0, "2 to 10 min"), (math.inf, "over 10 min"))


def length_bucket(length_s: float | None) -> str:
    """Return the length bucket of what is shown; "" where its length is not known.

    >>> length_bucket(180.0)
    '2 to 10 min'
    """
    return "" if length_s is None else next(name for most_s, name in LENGTHS if length_s <= most_s)


def groups(samples: Sequence[Sample]) -> Iterator[tuple[str, list[int]]]:
    """Yield "", each subset and each length bucket, with the places of their samples."""
    yield "", list(range(len(samples)))
    for kind, of_samples in (
        ("subset", [sample.subsets for sample in samples]),
        ("length", [(length_bucket(sample.length_s),) for sample in samples]),
    ):
        for name in sorted({name for names in of_samples for name in names} - {""}):
            yield f"{kind} {name}", [place for place, names in enumerate(of_samples) if name in names]


def means(samples: Sequence[Sample], scores: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """Return "<group>/<metric>" (of all samples "<metric>") -> the mean score.

    Args:
        samples: that were scored.
        scores: metric -> a score of each sample; None of one that it is no score of.
    """
    found = {}
    for group, places in groups(samples):
        for name, values in scores.items():
            if known := [value for place in places if (value := values[place]) is not None]:
                found[f"{group}/{name}" if group else name] = float(np.mean(known))
    return found


def estimates(
    samples: Sequence[Sample],
    scores: Mapping[str, Sequence[float | None]],
    settings: params.Eval,
    *,
    grouped: bool = True,
) -> dict[str, dict]:
    """Return "<group>/<metric>" (of all samples "<metric>") -> value, lo, hi, n and videos.

    Args:
        samples: that were scored.
        scores: metric -> a score of each sample; None of one that it is no score of.
        settings: seed and draws of the bootstrap.
        grouped: whether subsets and lengths are estimated too.
    """
    found = {}
    for group, places in groups(samples) if grouped else [("", range(len(samples)))]:
        for name, values in scores.items():
            known = [(value, samples[place].video) for place in places if (value := values[place]) is not None]
            if not known:
                continue
            numbers, videos = (np.array(column) for column in zip(*known, strict=True))
            drawn = {"seed": settings.seed, "resamples": settings.bootstrap_resamples}
            estimate = statistics.score(numbers, videos, **drawn)
            lo, hi = (end if math.isfinite(end) else None for end in (estimate.lo, estimate.hi))
            entry = {"value": estimate.value, "lo": lo, "hi": hi, "n": estimate.n, "videos": len(set(videos.tolist()))}
            found[f"{group}/{name}" if group else name] = entry
    return found


def mean_of_subsets(found: Mapping[str, float], metric: str, averaged: int) -> float | None:
    """Return the mean of the scores of all subsets; None where some are not there, for it would be another figure.

    Args:
        found: as `means` returns it.
        metric: name of a score.
        averaged: how many subsets the papers' mean is of.
    """
    values = [value for key, value in found.items() if key.startswith("subset ") and key.endswith(f"/{metric}")]
    return sum(values) / averaged if averaged and len(values) == averaged else None
