"""How sure a score is: intervals, differences and decisions, where the samples of one take belong together.

The samples of a take share its scene and its actor, so takes are what is drawn at random, not samples: every function
here works on sums and counts by take. `python -m tests.simulate_statistics` measures what the docstrings claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special  # scipy.stats takes twice as long to import

MIN_TAKES = 6  # below, no interval that is worth printing covers the truth as often as it says (measured)
LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; `n` is the number of samples under it.

    With fewer than `MIN_TAKES` takes the interval is (-inf, inf): too few takes to say.
    """

    value: float
    lo: float
    hi: float
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """How far one set of scores lies above another on the same samples.

    Attributes:
        standard_error: of the value; infinite where there are too few takes.
        df: degrees of freedom of that error.
        p_above: p-value of "not above zero", one-sided; 1 where there are too few takes.
        p: p-value of "no difference", two-sided; 1 where there are too few takes.
    """

    standard_error: float
    df: float
    p_above: float
    p: float

    def lower(self, level: float = LEVEL) -> float:
        """Return the one-sided lower bound of this level."""
        known = math.isfinite(self.standard_error)
        return self.value - _t(level, self.df) * self.standard_error if known else -math.inf


def score(scores: np.ndarray, takes: np.ndarray, *, seed: int, resamples: int = 2000) -> Estimate:
    """Return the mean score with a 95 % interval: at each end the widest of three that are right for few takes.

    One is the studentised cluster bootstrap, which follows the skew of rare events; one the t interval of the
    jackknife, for scores that are nearly the same everywhere; one the same on the scale of log-odds, for shares near 0
    or 1, of which a few takes may have seen too few. From six takes of 10 to 59 samples on they cover the truth in 95
    to 97 % of cases, where percentiles cover 80 to 90 % and BCa no more (Efron and Tibshirani 1993, §12.5 and §11).
    Where all scores are 0 or all are 1, takes are counted as right or wrong ones (Wilson's interval).

    Args:
        scores: [N] finite scores.
        takes: [N] the take id of each sample.
        seed: seed of the resampling; same seed, same interval.
        resamples: bootstrap draws.

    Raises:
        ValueError: no sample, lengths differ, or a score is not finite.
    """
    sums, counts = _by_take(scores, takes)
    value = float(sums.sum() / counts.sum())
    if len(counts) < MIN_TAKES:
        return Estimate(value, -math.inf, math.inf, len(scores))
    if value in (0.0, 1.0) and np.all(scores == value):  # no spread was seen, and takes could differ all the same
        return Estimate(value, *wilson(value * len(counts), len(counts)), len(scores))
    half = _t(1 - _TAIL, len(counts) - 1) * _jackknife_error(sums, counts)
    ends = [*_studentised(sums, counts, seed=seed, resamples=resamples), value - half, value + half]
    if 0 < value < 1 and np.min(scores) >= 0 and np.max(scores) <= 1:
        odds, half_odds = special.logit(value), half / (value * (1 - value))
        ends += [float(special.expit(odds - half_odds)), float(special.expit(odds + half_odds))]
        ends = [min(1.0, max(0.0, end)) for end in ends]
    return Estimate(value, min(ends), max(ends), len(scores))


def difference(scores_a: np.ndarray, scores_b: np.ndarray, takes: np.ndarray) -> Difference:
    """Estimate how far `scores_a` lie above `scores_b` on the same samples: the t interval of the jackknife over takes.

    A paired difference has little skew, so this needs no bootstrap; it covers the truth in 95 % of cases from six takes
    on, and is a quarter shorter than the studentised bootstrap at six.

    Args:
        scores_a: [N] scores.
        scores_b: [N] scores of the same samples in the same order.
        takes: [N] the take id of each sample.

    Raises:
        ValueError: no sample, lengths differ, or a score is not finite.
    """
    if len(scores_a) != len(scores_b):
        raise ValueError(
            f"difference got {len(scores_a)} and {len(scores_b)} scores; pairs of the same samples are needed"
        )
    gaps = np.asarray(scores_a, dtype=np.float64) - np.asarray(scores_b, dtype=np.float64)
    sums, counts = _by_take(gaps, takes)
    value = float(sums.sum() / counts.sum())
    if len(counts) < MIN_TAKES:
        return _unknown(value, len(gaps))
    return _t_difference(value, len(gaps), _jackknife_error(sums, counts), len(counts) - 1)


def crossed(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Difference:
    """Return the mean over training seeds and samples, with an interval for other seeds and other takes at once.

    Seeds and takes are two crossed random factors. The variance of the mean is that by seeds plus that by takes less
    that of single cells, which both contain (Cameron, Gelbach and Miller 2011); its degrees of freedom are
    Satterthwaite's. They are too many where two or three seeds agree by chance, so the t interval over the means of the
    seeds alone must hold too: the wider of both is returned, and the larger p.

    Args:
        parts: scores [S, N] (or paired differences) of S seeds on N samples, and the take id of each sample [N]; of
            several parts (the tasks of an average) the mean of their means is estimated.

    Returns:
        The estimate; `n` counts seeds times samples. From one seed the interval is for other takes alone.

    Raises:
        ValueError: as `crossed_tests`.
    """
    tests = crossed_tests(parts)
    wider = max(tests, key=lambda each: each.hi)
    return replace(wider, p_above=max(each.p_above for each in tests), p=max(each.p for each in tests))


def crossed_tests(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Difference]:
    """Return the tests that `crossed` takes the wider of: for other seeds and takes at once, and for other seeds alone.

    Args:
        parts: as in `crossed`.

    Returns:
        Of one seed the test for other takes; with too few takes one that knows no error.

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
    seeds = shapes[0][0]
    if len(names) < MIN_TAKES:
        return [_unknown(value, n)]
    # what each seed and take moves the mean by: [S, G], its mean is the value
    moved = np.zeros((seeds, len(names)))
    for scores, takes in tables:
        places = np.searchsorted(names, takes)
        sums = np.stack([np.bincount(places, weights=row, minlength=len(names)) for row in scores])
        counts = np.bincount(places, minlength=len(names))
        moved += (sums - scores.mean() * counts) * len(names) / counts.sum() / len(tables)
    by_take = moved.mean(0).var(ddof=1) / len(names)
    if seeds == 1:
        return [_t_difference(value, n, math.sqrt(by_take), len(names) - 1)]
    by_seed = moved.mean(1).var(ddof=1) / seeds
    alone = moved - moved.mean(0) - moved.mean(1, keepdims=True) + moved.mean()
    cells = (seeds - 1) * (len(names) - 1)
    by_cell = (alone**2).sum() / cells / moved.size
    variance = max(by_seed + by_take - by_cell, by_seed, by_take)
    parts_of_df = by_seed**2 / (seeds - 1) + by_take**2 / (len(names) - 1) + by_cell**2 / cells
    df = variance**2 / parts_of_df if parts_of_df else float(cells)
    both = _t_difference(value, n, math.sqrt(variance), max(1.0, df))
    return [both, _t_difference(value, n, math.sqrt(by_seed), seeds - 1)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several (Holm 1979): at 5 %, any of them is wrong in at most 5 % of cases.

    It asks nothing of how the tests depend on one another, as tasks on the same takes do.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, steps)
    return adjusted.tolist()


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
    z2 = special.ndtri(1 - _TAIL) ** 2
    middle, half = right + z2 / 2, (z2 * (right * (1 - right / count) + z2 / 4)) ** 0.5
    return float((middle - half) / (count + z2)), float((middle + half) / (count + z2))


def _t(level: float, df: float) -> float:
    return float(special.stdtrit(df, level))


def _by_take(scores: np.ndarray, takes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the scores and the number of samples of each take, [takes] each."""
    scores, takes = np.asarray(scores, dtype=np.float64), np.asarray(takes)
    if scores.ndim != 1 or scores.shape != takes.shape or not scores.size or not np.isfinite(scores).all():
        raise ValueError(
            f"scores {scores.shape} ({int((~np.isfinite(scores)).sum())} not finite) and takes {takes.shape} came; "
            "allowed is one finite score and one take id per sample, at least one sample"
        )
    _, index = np.unique(takes, return_inverse=True)
    return np.bincount(index, weights=scores), np.bincount(index)


def _jackknife_error(sums: np.ndarray, counts: np.ndarray) -> float:
    without = (sums.sum() - sums) / (counts.sum() - counts)
    return float(np.sqrt((len(sums) - 1) * without.var()))


def _studentised(sums: np.ndarray, counts: np.ndarray, *, seed: int, resamples: int) -> tuple[float, float]:
    """Return the 95 % interval of the studentised bootstrap: draws are compared in units of their own error."""
    takes, value = len(sums), sums.sum() / counts.sum()
    drawn = np.random.default_rng(seed).multinomial(takes, np.full(takes, 1 / takes), size=resamples)
    totals = drawn @ counts
    means = drawn @ sums / totals
    away = sums - means[:, None] * counts
    errors = np.sqrt(takes / (takes - 1) * (drawn * away**2).sum(1)) / totals
    spread = errors > 0
    if not spread.any():
        return float(value), float(value)
    low, high = np.quantile((means[spread] - value) / errors[spread], [_TAIL, 1 - _TAIL])
    error = np.sqrt(takes / (takes - 1) * ((sums - value * counts) ** 2).sum()) / counts.sum()
    return float(value - high * error), float(value - low * error)


def _unknown(value: float, n: int) -> Difference:
    return Difference(value, -math.inf, math.inf, n, standard_error=math.inf, df=0.0, p_above=1.0, p=1.0)


def _t_difference(value: float, n: int, error: float, df: float) -> Difference:
    half = _t(1 - _TAIL, df) * error
    p_above, p = float(value <= 0), float(value == 0)  # where nothing varies
    if error:
        p_above = float(special.stdtr(df, -value / error))
        p = 2 * float(special.stdtr(df, -abs(value) / error))
    return Difference(value, value - half, value + half, n, error, df, p_above, p)
