"""What the things of the miniature kitchen look like: silhouettes in -1..1, their colours, and all of it in one array.

A frame has some thirty polygons and is drawn 180000 times for the default world: the points of a thing are moved and
rounded together, because a call of numpy costs more than the few points of a polygon.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import pi
from typing import NamedTuple

import numpy as np

COLOUR_RGB = {
    "red": (214, 40, 40),
    "green": (46, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (242, 210, 40),
    "purple": (150, 50, 190),
    "white": (242, 242, 238),
}
SKIN_RGB = (224, 172, 138)
ITEM_RADIUS = 0.21  # kitchen units
HAND_RADIUS = 0.11
Polygon = np.ndarray  # float [N, 2], x right, y down
Colour = tuple[int, ...]


class Outlines(NamedTuple):
    """Polygons that move together: their points [N, 2], and in the order of drawing where each lies and its colour."""

    points: Polygon
    parts: tuple[tuple[slice, Colour], ...]


def outlines(polygons: Iterable[tuple[Polygon, Colour]]) -> Outlines:
    """Lay polygons into one array, in the order of drawing."""
    points, colours = zip(*polygons, strict=True)
    ends = np.cumsum([len(polygon) for polygon in points]).tolist()
    slices = map(slice, [0, *ends], ends)
    return Outlines(np.concatenate(points), tuple(zip(slices, colours, strict=False)))


def darker(rgb: Colour, share: float) -> Colour:
    """Return a share of a colour's light."""
    return tuple(int(c * share) for c in rgb)


@cache
def _unit_arc(start: float, end: float) -> Polygon:
    angles = np.linspace(start, end, 20)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def arc(rx: float, ry: float, start: float = 0.0, end: float = 2 * pi, *, x: float = 0.0, y: float = 0.0) -> Polygon:
    """Return a part of an ellipse as a polygon.

    Args:
        rx: radius to the right.
        ry: radius downwards.
        start: angle of the first point in radians.
        end: angle of the last point.
        x: centre.
        y: centre.
    """
    return _unit_arc(start, end) * (rx, ry) + (x, y)


def rect(x1: float, y1: float, x2: float, y2: float) -> Polygon:
    """Return a rectangle as a polygon of four points.

    Args:
        x1: left edge.
        y1: upper edge.
        x2: right edge.
        y2: lower edge.
    """
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=float)


# kind -> (polygons of the object's colour, polygons of its dark detail)
SILHOUETTES: dict[str, tuple[tuple[Polygon, ...], tuple[Polygon, ...]]] = {
    "cup": ((rect(-0.65, -0.75, 0.5, 0.8), rect(0.45, -0.45, 1.0, 0.45)), (rect(0.55, -0.2, 0.8, 0.2),)),
    "bowl": ((arc(1.05, 1.0, 0, pi, y=-0.2),), (arc(1.0, 0.14, y=-0.2),)),
    "pan": ((arc(0.68, 0.68, x=-0.35), rect(0.2, -0.16, 1.3, 0.16)), (arc(0.42, 0.42, x=-0.35),)),
    "bottle": ((rect(-0.42, -0.25, 0.42, 1.1), rect(-0.17, -1.15, 0.17, -0.2)), (rect(-0.42, 0.2, 0.42, 0.55),)),
    "plate": ((arc(1.2, 0.5),), (arc(0.7, 0.24),)),
    "box": ((rect(-0.85, -0.85, 0.85, 0.85),), (rect(-0.85, -0.1, 0.85, 0.1), rect(-0.1, -0.85, 0.1, 0.85))),
    "carrot": (
        (np.array([[-0.5, -0.6], [0.5, -0.6], [0.0, 1.25]]),),
        (np.array([[-0.35, -1.1], [0.35, -1.1], [0, -0.6]]),),
    ),
    "fish": (
        (arc(0.8, 0.48, x=-0.2), np.array([[0.45, 0.0], [1.15, -0.55], [1.15, 0.55]])),
        (arc(0.1, 0.1, x=-0.65, y=-0.12),),
    ),
}
HAND = arc(1.0, 0.85)


@cache
def item_look(kind: str, colour: str, *, is_cut: bool) -> Outlines:
    """Return an object in kitchen units: a dark rim, the body, its detail and, where it was cut, the cut.

    Args:
        kind: a key of SILHOUETTES.
        colour: a key of COLOUR_RGB.
        is_cut: whether the object was cut.
    """
    rgb = COLOUR_RGB[colour]
    body, detail = SILHOUETTES[kind]
    polygons = [(polygon * 1.1, darker(rgb, 0.35)) for polygon in body]
    polygons += [(polygon, rgb) for polygon in body]
    polygons += [(polygon, darker(rgb, 0.55)) for polygon in detail]
    if is_cut:
        polygons.append((rect(-0.08, -1.0, 0.08, 1.0), (20, 20, 20)))
    return outlines((polygon * ITEM_RADIUS, rgb) for polygon, rgb in polygons)


@cache
def hand_look() -> Outlines:
    """Return a hand in kitchen units: a dark rim and the skin."""
    centre = HAND.mean(0)
    rim = centre + (HAND - centre) * 1.12
    return outlines([(rim * HAND_RADIUS, darker(SKIN_RGB, 0.6)), (HAND * HAND_RADIUS, SKIN_RGB)])


@cache
def body_look() -> Outlines:
    """Return the body of an exo view in 0..1 of the frame, around the middle of its lower edge: trunk, head, hair."""
    return outlines(
        [
            (rect(-0.085, -0.26, 0.085, 0.0), (70, 84, 110)),
            (arc(0.055, 0.065, y=-0.33), SKIN_RGB),
            (arc(0.058, 0.045, pi, 2 * pi, y=-0.345), (60, 44, 34)),
        ]
    )
