"""Which frames of a sample a model is shown that may see only some of them."""

from __future__ import annotations


def evenly(count: int, most: int | None) -> slice:
    """Choose some frames of many, all at the same distance and as many at both ends left out.

    Args:
        count: how many there are, at least one.
        most: how many may be chosen; None chooses all.

    >>> list(range(32))[evenly(32, 7)]
    [0, 5, 10, 15, 20, 25, 30]
    """
    step = -(-count // (most or count))
    last = (count - 1) // step * step
    return slice((count - 1 - last) // 2, count, step)
