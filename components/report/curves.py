"""Training curves as small multiples: the points of one inline SVG per metric."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

WIDTH, HEIGHT = 220, 64
_POINTS = 160  # more could not be told apart at this width
_FIRST = re.compile(r"loss|vtg|ccl|kl|lr|learning_rate|reward|iou|format|score|accuracy|grad_norm")


@dataclass(frozen=True)
class Chart:
    """One curve: SVG `points` in a box of WIDTH x HEIGHT, and the numbers to print beside it."""

    name: str
    points: str
    low: str
    high: str
    last: str
    last_step: int
    not_finite: int
    first: bool  # shown at once; the others are in a fold


def charts(history: dict[str, list[tuple[int, float]]]) -> list[Chart]:
    """Lay out a chart for every metric of a stage; losses, rates, rewards, KL and IoU come first.

    Args:
        history: metric -> [(step, value), ...].

    Returns:
        One chart per metric with at least one finite value.
    """
    drawn = [_chart(name, points) for name, points in history.items()]
    return sorted((chart for chart in drawn if chart), key=lambda chart: not chart.first)


def _chart(name: str, points: list[tuple[int, float]]) -> Chart | None:
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(value for _, value in finite), max(value for _, value in finite)
    first_step, last_step = finite[0][0], finite[-1][0]
    across, up = (last_step - first_step) or 1, (high - low) or 1
    places = [
        f"{(step - first_step) / across * WIDTH:.1f},{HEIGHT - 3 - (value - low) / up * (HEIGHT - 6):.1f}"
        for step, value in _thin(finite)
    ]
    return Chart(
        name=name,
        points=" ".join(places),
        low=_short(low),
        high=_short(high),
        last=_short(finite[-1][1]),
        last_step=last_step,
        not_finite=len(points) - len(finite),
        first=bool(_FIRST.search(name)),
    )


def _thin(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Keep the lowest and the highest point of each bucket, so that spikes survive."""
    if len(points) <= _POINTS:
        return points
    size = math.ceil(len(points) / (_POINTS // 2))
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        kept += sorted({min(bucket, key=lambda point: point[1]), max(bucket, key=lambda point: point[1])})
    return kept


def _short(value: float) -> str:
    """Return a number as text of at most seven characters.

    >>> _short(0.00012), _short(3.14159), _short(0.0)
    ('1.2e-4', '3.14', '0')
    """
    if value and abs(value) < 1e-2 or abs(value) >= 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.3g}"
