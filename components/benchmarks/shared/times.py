"""Times as annotation files write them."""

from __future__ import annotations


def seconds(time: str) -> float:
    """Return the seconds of HH:MM:SS.ss.

    Raises:
        ValueError: another form.

    >>> seconds("00:01:30.50")
    90.5
    """
    hours, minutes, rest = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)
