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


def estimates(
    samples: Sequence[Sample], scores: Mapping[str, Sequence[float]], settings: params.Eval
) -> dict[str, dict]:
    """Return "<group>/<metric>" (of all samples "<metric>") -> value, lo, hi, n and videos.

    Args:
        samples: that were scored.
        scores: metric -> a score of each sample.
        settings: seed and draws of the bootstrap.
    """
    found = {}
    for group, places in groups(samples):
        videos = np.array([samples[place].video for place in places])
        for name, values in scores.items():
            drawn = {"seed": settings.seed, "resamples": settings.bootstrap_resamples}
            estimate = statistics.score(np.array([values[place] for place in places]), videos, **drawn)
            lo, hi = (end if math.isfinite(end) else None for end in (estimate.lo, estimate.hi))
            key = f"{group}/{name}" if group else name
            entry = {"value": estimate.value, "lo": lo, "hi": hi}
            found[key] = entry | {"n": estimate.n, "videos": len(set(videos.tolist()))}
    return found


def mean_of_subsets(found: Mapping[str, Mapping], metric: str, averaged: int) -> float | None:
    """Return the mean of the scores of all subsets; None where some are not there, for it would be another figure.

    Args:
        found: as `estimates` returns it.
        metric: name of a score.
        averaged: how many subsets the papers' mean is of.
    """
    of_subsets = [key for key in found if key.startswith("subset ") and key.endswith(f"/{metric}")]
    values = [found[key]["value"] for key in of_subsets]
    return sum(values) / averaged if averaged and len(values) == averaged else None
