"""Running moments: count, mean and standard deviation of numbers that are read some at a time."""

from __future__ import annotations

import math

RunningMoments = tuple[int, float, float]  # count, mean and standard deviation (of the population)


def combine(one: RunningMoments, other: RunningMoments) -> RunningMoments:
    """Return count, mean and standard deviation of two groups of values together; an empty group changes nothing."""
    if not one[0] or not other[0]:
        return one if one[0] else other
    count = one[0] + other[0]
    apart, share = other[1] - one[1], other[0] / count
    variance = one[2] ** 2 * (1 - share) + other[2] ** 2 * share + apart**2 * share * (1 - share)
    return count, one[1] + apart * share, math.sqrt(variance)
