"""The scores of answers and their uncertainty: pure numpy, shared by rewards and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; `n` is the number of samples under it."""

    value: float
    lo: float
    hi: float
    n: int


def temporal_iou(a: Span, b: Span) -> float:
    """Overlap of two `(start_s, end_s)` spans over their union (systems §0.2).

    Returns:
        0 to 1; 0 where they do not overlap, or where one is empty or inverted.

    >>> temporal_iou((0, 4), (2, 6))
    0.3333333333333333
    """
    overlap = min(a[1], b[1]) - max(a[0], b[0])
    if overlap <= 0:
        return 0.0
    return float(overlap / (max(a[1], b[1]) - min(a[0], b[0])))


def box_iou(a: Box, b: Box) -> float:
    """Area of overlap of two `(x1, y1, x2, y2)` boxes over the area of their union (systems §0.2).

    Returns:
        0 to 1; 0 where they do not overlap, or where one is empty or inverted.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(overlap / (areas - overlap))


def bootstrap(scores: np.ndarray, takes: np.ndarray, *, seed: int, resamples: int = 2000) -> Estimate:
    """Return the mean score with a 95 % percentile interval from resampling whole takes.

    The samples of one take share its scene and its actor, so they are drawn together (a cluster bootstrap): resampling
    single samples would give intervals that are too narrow.

    Args:
        scores: [N] finite scores.
        takes: [N] the take id of each sample.
        seed: seed of the resampling; same seed, same interval.
        resamples: bootstrap draws.

    Returns:
        The estimate. With a single take nothing is known of the spread: the interval is (-inf, inf).

    Raises:
        ValueError: no sample, lengths differ, or a score is not finite.
    """
    scores, takes = np.asarray(scores, dtype=np.float64), np.asarray(takes)
    if scores.ndim != 1 or scores.shape != takes.shape or not scores.size or not np.isfinite(scores).all():
        raise ValueError(
            f"bootstrap got scores {scores.shape} ({int((~np.isfinite(scores)).sum())} not finite) and takes "
            f"{takes.shape}; allowed is one finite score and one take id per sample, at least one sample"
        )
    names, index = np.unique(takes, return_inverse=True)
    value = float(scores.mean())
    if len(names) == 1:
        return Estimate(value, -np.inf, np.inf, scores.size)
    sums, counts = np.bincount(index, weights=scores), np.bincount(index)
    # how often each take is drawn is multinomial: one matrix product instead of a loop over draws
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    lo, hi = np.percentile(drawn @ sums / (drawn @ counts), [2.5, 97.5])
    return Estimate(value, float(lo), float(hi), scores.size)


def difference(
    scores_a: np.ndarray, scores_b: np.ndarray, takes: np.ndarray, *, seed: int, resamples: int = 2000
) -> Estimate:
    """Estimate how far `scores_a` lie above `scores_b` on the same samples (paired bootstrap over takes).

    `lo > 0` means above beyond the interval: the project's rule for "learned", with b the blind control.

    Args:
        scores_a: [N] scores.
        scores_b: [N] scores of the same samples in the same order.
        takes: [N] the take id of each sample.
        seed: seed of the resampling.
        resamples: bootstrap draws.

    Raises:
        ValueError: as `bootstrap`, or the two have different lengths.
    """
    if len(scores_a) != len(scores_b):
        raise ValueError(
            f"difference got {len(scores_a)} and {len(scores_b)} scores; pairs of the same samples are needed"
        )
    paired = np.asarray(scores_a, dtype=np.float64) - np.asarray(scores_b, dtype=np.float64)
    return bootstrap(paired, takes, seed=seed, resamples=resamples)


def crossed(parts: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int, resamples: int = 2000) -> Estimate:
    """Return the mean over training seeds and samples with a 95 % interval from resampling both seeds and whole takes.

    Each draw takes as many seeds as there are and as many takes as there are, both with replacement, so that the
    interval covers what another training run and other videos would change. From few seeds it is too narrow, as every
    bootstrap is: by a factor of about sqrt(1 - 1 / seeds) in the part that seeds cause.

    Args:
        parts: scores [S, N] (or paired differences) of S seeds on N samples, and the take id of each sample [N]; of
            several parts (the tasks of an average) the mean of their means is estimated, drawn together.
        seed: seed of the resampling.
        resamples: bootstrap draws.

    Returns:
        The estimate; `n` counts seeds times samples. With a single take the interval is (-inf, inf).

    Raises:
        ValueError: no part, parts of different numbers of seeds, lengths that differ, or a score that is not finite.
    """
    tables = [(np.asarray(scores, dtype=np.float64), np.asarray(takes)) for scores, takes in parts]
    shapes = [scores.shape for scores, _ in tables]
    fits = all(s.ndim == 2 and s.size and s.shape[1:] == t.shape and np.isfinite(s).all() for s, t in tables)
    if not tables or not fits or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            f"crossed got scores of shapes {shapes}, takes of shapes {[takes.shape for _, takes in tables]}; allowed "
            "are finite scores [seeds, samples] with one take id per sample, of the same seeds in every part"
        )
    value = float(np.mean([scores.mean() for scores, _ in tables]))
    n = sum(scores.size for scores, _ in tables)
    names = np.unique(np.concatenate([takes for _, takes in tables]))
    if len(names) == 1:
        return Estimate(value, -np.inf, np.inf, n)
    rng, seeds = np.random.default_rng(seed), shapes[0][0]
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    drawn_takes = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    means = np.zeros(resamples)
    for scores, takes in tables:
        places = np.searchsorted(names, takes)
        sums = np.stack([np.bincount(places, weights=row, minlength=len(names)) for row in scores])
        counts = drawn_takes @ np.bincount(places, minlength=len(names))
        with np.errstate(invalid="ignore"):  # a draw may hold no take of this part: it says nothing
            means += ((drawn_seeds @ sums) * drawn_takes).sum(1) / counts / len(tables)
    lo, hi = np.nanpercentile(means, [2.5, 97.5])
    return Estimate(value, float(lo), float(hi), n)


def wilson(right: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score, which holds near 0 and 1 too.

    Args:
        right: how many are right; an expected number need not be whole.
        count: of how many; of none, nothing is known.

    >>> [round(end, 3) for end in wilson(95, 100)]
    [0.888, 0.978]
    """
    if not count:
        return 0.0, 1.0
    z2 = 1.959964**2
    middle, half = right + z2 / 2, 1.959964 * (right * (1 - right / count) + z2 / 4) ** 0.5
    return (middle - half) / (count + z2), (middle + half) / (count + z2)
