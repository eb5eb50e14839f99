"""The Pareto plot of a comparison, an inline SVG: two measures of every arm, better towards the upper right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.evaluation.paired_comparison import Row, dominated

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 52, 130, 16, 40  # labels stand to the right of their points
_TICKS = 5


@dataclass(frozen=True)
class Point:
    """The mark of an arm.

    Attributes:
        arm: its name.
        series: the points that one line joins; an arm of no series is its own.
        number: of the series, for its colour.
        at: pixels of the two means.
        across: pixels of both ends of the interval of x.
        along: pixels of both ends of the interval of y.
        x: the mean of the first measure, 0 to 1.
        y: the mean of the second.
        beaten_by: arms that are at least as good in both measures and better in one.
    """

    arm: str
    series: str
    number: int
    at: tuple[float, float]
    across: tuple[float, float]
    along: tuple[float, float]
    x: float
    y: float
    beaten_by: list[str]


@dataclass(frozen=True)
class Drawn:
    """The whole plot; for each series a line joins the points that no other point of the series beats.

    Attributes:
        x: name of the first measure.
        y: name of the second.
        points: a mark for each arm.
        lines: (series, points of an SVG polyline).
        ticks_x: (pixel, label) along the first axis.
        ticks_y: (pixel, label) along the second.
    """

    x: str
    y: str
    points: list[Point]
    lines: list[tuple[str, str]]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]


def draw(comparison: Mapping, table: Mapping[str, Mapping[str, Row]]) -> Drawn:
    """Lay out the plot.

    Args:
        comparison: content of its YAML file, with `frontier`.
        table: arm -> measure -> row.

    Returns:
        The plot, in pixels.
    """
    x, y = comparison["frontier"]["x"], comparison["frontier"]["y"]
    means = {arm: (rows[x].value.value, rows[y].value.value) for arm, rows in table.items()}
    spans = {name: _span([row[name] for row in table.values()]) for name in (x, y)}
    right, up = _scale(spans[x], LEFT, WIDTH - RIGHT), _scale(spans[y], HEIGHT - BOTTOM, TOP)
    beaten = _beaten(means, {arm: rows[x].seeds for arm, rows in table.items()})
    numbers: dict[str, int] = {}
    series_of: dict[str, str] = {}
    points = []
    for arm, rows in table.items():
        series_of[arm] = comparison["arms"][arm]["series"] or arm
        number = numbers.setdefault(series_of[arm], len(numbers))
        (wide, high), (at_x, at_y) = (rows[x].value, rows[y].value), means[arm]
        points.append(
            Point(
                arm=arm,
                series=series_of[arm],
                number=number,
                at=(right(at_x), up(at_y)),
                across=(right(max(wide.lo, spans[x][0])), right(min(wide.hi, spans[x][1]))),
                along=(up(max(high.lo, spans[y][0])), up(min(high.hi, spans[y][1]))),
                x=at_x,
                y=at_y,
                beaten_by=beaten[arm],
            )
        )
    lines = []
    for series in numbers:
        own = {point.arm: point for point in points if point.series == series}
        kept = sorted((one.at for one in own.values() if not own.keys() & one.beaten_by), key=lambda at: at[0])
        lines.append((series, " ".join(f"{across},{along}" for across, along in kept)))
    return Drawn(x, y, points, lines, _ticks(spans[x], right), _ticks(spans[y], up))


def _beaten(means: Mapping[str, tuple[float, float]], seeds: Mapping[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """Return for each arm those that beat it; only means over the same seeds are compared."""
    alike: dict[tuple[int, ...], dict[str, tuple[float, float]]] = {}
    for arm, point in means.items():
        alike.setdefault(seeds[arm], {})[arm] = point
    return {arm: others for group in alike.values() for arm, others in dominated(group).items()}


def _span(rows: list[Row]) -> tuple[float, float]:
    """Return the range of an axis, which shows all intervals as far as they lie within 0 and 1."""
    lo, hi = min(max(0.0, row.value.lo) for row in rows), max(min(1.0, row.value.hi) for row in rows)
    return (lo, hi) if hi > lo else (lo - 0.01, hi + 0.01)


def _scale(span: tuple[float, float], first_px: float, last_px: float) -> Callable[[float], float]:
    return lambda value: round(first_px + (value - span[0]) / (span[1] - span[0]) * (last_px - first_px), 1)


def _ticks(span: tuple[float, float], place: Callable[[float], float]) -> list[tuple[float, str]]:
    values = [span[0] + (span[1] - span[0]) * step / (_TICKS - 1) for step in range(_TICKS)]
    return [(place(value), f"{100 * value:.1f}") for value in values]
