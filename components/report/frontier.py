"""Two measures of every arm against one another, in one inline SVG: up and to the right is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.evaluation.comparing import Row, dominated

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 52, 130, 16, 40  # labels stand to the right of their points
_TICKS = 5


@dataclass(frozen=True)
class Point:
    """An arm: pixels of its means and of the ends of both intervals, and the values, shares."""

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
    """The picture; `lines` join for each series the points that no other point of it beats in both measures."""

    x: str
    y: str
    points: list[Point]
    lines: list[tuple[str, str]]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]


def draw(comparison: Mapping, table: Mapping[str, Mapping[str, Row]]) -> Drawn:
    """Place every arm.

    Args:
        comparison: as its YAML has it, with `frontier`.
        table: arm -> measure -> row.
    """
    x, y = comparison["frontier"]["x"], comparison["frontier"]["y"]
    means = {arm: (rows[x].value.value, rows[y].value.value) for arm, rows in table.items()}
    spans = {name: _span([row[name] for row in table.values()]) for name in (x, y)}
    right, up = _scale(spans[x], LEFT, WIDTH - RIGHT), _scale(spans[y], HEIGHT - BOTTOM, TOP)
    beaten, numbers, series_of = _beaten(means, {arm: rows[x].seeds for arm, rows in table.items()}), {}, {}
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
    """Return, for each arm those that beat it; a mean over other seeds beats nobody."""
    alike: dict[tuple[int, ...], dict[str, tuple[float, float]]] = {}
    for arm, point in means.items():
        alike.setdefault(seeds[arm], {})[arm] = point
    return {arm: others for group in alike.values() for arm, others in dominated(group).items()}


def _span(rows: list[Row]) -> tuple[float, float]:
    """Return the range of an axis: all intervals, within 0 and 1."""
    lo, hi = min(max(0.0, row.value.lo) for row in rows), max(min(1.0, row.value.hi) for row in rows)
    return (lo, hi) if hi > lo else (lo - 0.01, hi + 0.01)


def _scale(span: tuple[float, float], first_px: float, last_px: float):
    return lambda value: round(first_px + (value - span[0]) / (span[1] - span[0]) * (last_px - first_px), 1)


def _ticks(span: tuple[float, float], place) -> list[tuple[float, str]]:
    values = [span[0] + (span[1] - span[0]) * step / (_TICKS - 1) for step in range(_TICKS)]
    return [(place(value), f"{100 * value:.1f}") for value in values]
