"""What a comparison can find before it is run: its power for a true difference, and the least that it finds mostly.

Both follow from how paired differences vary and from how many samples, takes and seeds there are; that the differences
are there is not needed. The tests are those of statistics.py, so their t is the noncentral one under a true difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from components.metrics import statistics

GAIN = 0.02  # the true difference of which it is said how often it would be found
POWER = 0.8  # a difference that is found as often as this counts as detectable (Cohen 1988)


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the paired differences, in units of the score.

    Attributes:
        samples: between the samples of one take.
        takes: between takes, beyond what their samples explain.
        seeds: between training seeds; 0 where two checkpoints are compared as they are.
    """

    samples: float
    takes: float
    seeds: float = 0.0


def spread(differences: np.ndarray, takes: np.ndarray) -> Spread:
    """Estimate the spread of the paired differences of two checkpoints, by the analysis of variance over takes.

    Args:
        differences: [N], one for each sample.
        takes: [N] the take id of each sample.

    Raises:
        ValueError: fewer than `statistics.MIN_TAKES` takes, no take with two samples, or lengths differ.
    """
    differences, (_, index, counts) = (
        np.asarray(differences, dtype=np.float64), np.unique(takes, return_inverse=True, return_counts=True)
    )  # fmt: skip
    groups, n = len(counts), len(differences)
    if len(takes) != n or groups < statistics.MIN_TAKES or n == groups:
        raise ValueError(
            f"{n} differences of {len(takes)} samples in {groups} takes came; allowed are as many differences as "
            f"samples, {statistics.MIN_TAKES} takes or more, and a take with two samples"
        )
    means = np.bincount(index, weights=differences) / counts
    within = float(((differences - means[index]) ** 2).sum() / (n - groups))
    between = float((counts * (means - differences.mean()) ** 2).sum() / (groups - 1))
    per_take = (n - (counts**2).sum() / n) / (groups - 1)  # samples of a take, where takes are of different size
    return Spread(math.sqrt(within), math.sqrt(max(0.0, (between - within) / per_take)))


def planned_errors(of: Spread, *, samples: int, takes: int, seeds: int = 1) -> list[tuple[float, float]]:
    """Return the standard errors that a mean difference will have, each with its degrees of freedom.

    The first is for other takes and seeds at once, with Satterthwaite's degrees of freedom. From two seeds on there is
    a second, for seeds alone, since `statistics.crossed` asks for both: the means of the seeds differ by what a seed
    does and by how its answers to single samples fall. How much of that is the same in every seed, which all answer the
    same samples, is not known: the first error counts all of it as the same, the second none. What both foresee to be
    found in `POWER` of cases was found in 75 % or more in simulations of two to five seeds.

    Args:
        of: how the differences vary.
        samples: N.
        takes: that they come from.
        seeds: of each arm; of one seed, the error is for other takes alone.

    Raises:
        ValueError: counts below one, or fewer than `statistics.MIN_TAKES` takes.
    """
    if takes < statistics.MIN_TAKES or samples < takes or seeds < 1:
        raise ValueError(
            f"{samples} samples, {takes} takes and {seeds} seeds came; allowed are {statistics.MIN_TAKES} takes or "
            "more, a sample in each, and a seed"
        )
    by_take = of.samples**2 / samples + of.takes**2 / takes
    if seeds == 1:
        return [(math.sqrt(by_take), takes - 1.0)]
    by_seed = of.seeds**2 / seeds
    by_seed_alone = (of.seeds**2 + of.samples**2 / samples) / seeds
    df = (by_take + by_seed) ** 2 / (by_take**2 / (takes - 1) + by_seed**2 / (seeds - 1))
    return [(math.sqrt(by_take + by_seed), df), (math.sqrt(by_seed_alone), seeds - 1.0)]


def power(gain: float, error: float, df: float, *, level: float) -> float:
    """Return how often a true difference is found by a one-sided t test.

    Args:
        gain: the true difference.
        error: standard error of the difference; infinite where there are too few takes.
        df: degrees of freedom of the error.
        level: of the test, like 0.95; of a two-sided test at 5 % that is 0.975.

    >>> round(power(0.0, 0.012, 71, level=0.95), 3)
    0.05
    """
    if not math.isfinite(error):
        return 0.0
    if not error:
        return float(gain > 0)
    return float(1 - special.nctdtr(df, gain / error, special.stdtrit(df, level)))


def detectable(error: float, df: float, *, level: float) -> float:
    """Return the true difference that is found in `POWER` of all cases; infinite where there are too few takes.

    Args:
        error: standard error of the difference.
        df: degrees of freedom of the error.
        level: of the one-sided test.
    """
    if not math.isfinite(error):
        return math.inf
    return float(special.nctdtrinc(df, 1 - POWER, special.stdtrit(df, level))) * error
