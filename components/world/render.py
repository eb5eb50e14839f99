"""Draw the miniature kitchen: one narrow, moving ego view and two exo views of the whole room, all of the same state.

Ego (`ego`): camera on the head, follows the gaze with a sway, hands and objects large. `cam01`: from across the
worktop, mirrored. `cam02`: from behind, where the body and a cupboard hide part of the worktop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import takewhile
from math import cos, sin

import cv2
import numpy as np

from components.prompts.kitchen_grammar import HANDS
from components.world.script import Item, Pose, Scene, Take, scene_at
from components.world.silhouettes import (
    HAND,
    HAND_RADIUS,
    ITEM_RADIUS,
    SILHOUETTES,
    SKIN_RGB,
    Outlines,
    Polygon,
    arc,
    body_look,
    darker,
    hand_look,
    item_look,
    outlines,
    rect,
)

VIEWS = ("ego", "cam01", "cam02")
REGION_RGB = ((120, 132, 142), (78, 74, 76), (176, 142, 104), (138, 104, 74))
EGO_WIDTH = 1.2  # kitchen units that the ego frame shows of the worktop
Project = Callable[
    [Pose], tuple[float, float, float]
]  # pose -> (x, y, pixels of one kitchen unit), in 0..1 of the frame
Still = tuple[tuple[Item, Pose, bool], ...]  # what nobody moves: item, where it stands, whether it was cut


@dataclass(frozen=True)
class Shape:
    """What an annotator would outline in an ego frame: polygons in 0..1 of the frame, not clipped to it."""

    name: str
    polygons: tuple[Polygon, ...]
    visible: bool
    contact: str | None


def render(take: Take, time_s: float, view: str, *, size_px: int) -> np.ndarray:
    """Draw one frame.

    Args:
        time_s: seconds from the start of the take.
        view: "ego", "cam01" or "cam02".
        size_px: side of the square frame.

    Returns:
        uint8 array [H, W, 3], RGB.

    Raises:
        ValueError: an unknown view.
    """
    return draw(take, scene_at(take, time_s), time_s, view, size_px=size_px)


def draw(take: Take, scene: Scene, time_s: float, view: str, *, size_px: int) -> np.ndarray:
    """As `render`, of a scene that is known: the three views of a time share theirs."""
    if view == "ego":
        canvas = _draw_ego(take, scene, _ego_camera(take, scene, time_s), size_px)
    elif view in VIEWS:
        canvas = _draw_exo(take, scene, view, size_px)
    else:
        raise ValueError(f"view {view!r} is unknown, allowed are {VIEWS}")
    return cv2.convertScaleAbs(canvas, alpha=take.light)


def ego_shapes(take: Take, time_s: float) -> list[Shape]:
    """Outline every object and hand of the ego frame at a time (polygons in 0..1 of the frame)."""
    return shapes(take, time_s, "ego")


def shapes(take: Take, time_s: float, view: str) -> list[Shape]:
    """Outline every object, in the order of the take's items, then both hands (polygons in 0..1 of the frame)."""
    scene = scene_at(take, time_s)
    project = _ego_camera(take, scene, time_s) if view == "ego" else _exo_camera(view)
    found = []
    for item, pose in zip(take.items, scene.items, strict=True):
        polygons = tuple(_place(polygon * ITEM_RADIUS, project, pose) for polygon in SILHOUETTES[item.kind][0])
        found.append(Shape(f"{item.colour} {item.kind}", polygons, _inside(polygons), None))
    for hand in HANDS:
        touched = scene.acting.item if scene.acting and scene.acting.hand == hand and 0.2 < scene.phase < 0.85 else None
        touched = next((n for n, pose in enumerate(scene.items) if pose.held_by == hand), touched)
        contact = None if touched is None else found[touched].name
        polygon = _place(HAND * HAND_RADIUS, project, _palm(scene.hands[hand]))
        found.append(Shape(f"{hand} hand", (polygon,), _inside((polygon,)), contact))
    return found


def _inside(polygons: tuple[Polygon, ...]) -> bool:
    """Return whether at least 60 % of the bounding box lies in the frame."""
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    kept = np.clip(high, 0, 1) - np.clip(low, 0, 1)
    return bool(np.prod(kept) >= 0.6 * np.prod(high - low))


def _ego_camera(take: Take, scene: Scene, time_s: float) -> Project:
    u = scene.gaze_u + 0.05 * sin(1.3 * time_s + take.index)
    dy = 0.02 * sin(1.7 * time_s + 2 * take.index)
    return lambda pose: (
        (pose.u - u) / EGO_WIDTH + 0.5,
        0.84 - 0.62 * pose.v + 0.08 * pose.z + dy,
        (1 + 0.35 * pose.z) / EGO_WIDTH,
    )


def _exo_camera(view: str) -> Project:
    if view == "cam01":  # across the worktop: left and right are swapped, the far edge is near
        return lambda pose: (0.5 - (pose.u - 2) * 0.225, 0.60 + 0.16 * pose.v - 0.16 * pose.z, 0.47)
    return lambda pose: (0.47 + (pose.u - 2) * 0.225, 0.62 - 0.18 * pose.v - 0.16 * pose.z, 0.45)


def _place(polygon: Polygon, project: Project, pose: Pose) -> Polygon:
    """Put a polygon of kitchen units around a pose into the frame (0..1)."""
    x, y, unit = project(pose)
    if pose.angle != 0:  # seldom
        polygon = polygon @ np.array([[cos(pose.angle), sin(pose.angle)], [-sin(pose.angle), cos(pose.angle)]])
    return polygon * unit + (x, y)


def _fill(canvas: np.ndarray, polygon: Polygon, rgb: tuple[int, ...]) -> None:
    _fill_all(canvas, polygon, ((slice(None), rgb),))


def _fill_all(canvas: np.ndarray, points: Polygon, parts: tuple[tuple[slice, tuple[int, ...]], ...]) -> None:
    points = np.rint(points * (canvas.shape[0] * 16)).astype(np.int32)
    for part, rgb in parts:
        cv2.fillPoly(canvas, [points[part]], rgb, cv2.LINE_AA, shift=4)


def _stroke(
    canvas: np.ndarray, a: tuple[float, float], b: tuple[float, float], rgb: tuple[int, ...], width: float
) -> None:
    size = canvas.shape[0]
    ends = [(int(x * size * 16), int(y * size * 16)) for x, y in (a, b)]
    cv2.line(canvas, *ends, rgb, max(1, round(width * size)), cv2.LINE_AA, shift=4)


def _palm(hand: Pose) -> Pose:
    return Pose(hand.u, hand.v - 0.14, hand.z)


def _draw_item(canvas: np.ndarray, project: Project, item: Item, pose: Pose, is_cut: bool) -> None:
    look = item_look(item.kind, item.colour, is_cut=is_cut)
    _fill_all(canvas, _place(look.points, project, pose), look.parts)


def _draw_effects(canvas: np.ndarray, scene: Scene, project: Project) -> None:
    """Draw what only the action shows: tool, water, stream, lid."""
    event = scene.acting
    if event is None or not 0.12 < scene.phase < 0.88:
        return
    item, hand = scene.items[event.item], scene.hands[event.hand]
    x, y, unit = project(item)
    hx, hy, _ = project(hand)
    if event.verb == "washes":
        for drop in range(9):
            fall = (scene.phase * 5 + drop * 0.37) % 1
            dx = (drop - 4) * 0.055 * unit
            _stroke(
                canvas,
                (x + dx, y + (fall * 0.5 - 0.45) * unit),
                (x + dx, y + (fall * 0.5 - 0.36) * unit),
                (150, 215, 255),
                0.035 * unit,
            )
    elif event.verb == "cuts":
        _fill(
            canvas,
            np.array([[hx - 0.03, hy], [hx + 0.03, hy], [hx + 0.03, hy - 0.36 * unit], [hx - 0.06, hy - 0.3 * unit]]),
            (225, 228, 235),
        )
    elif event.verb == "stirs":
        _stroke(canvas, (hx, hy - 0.02), (x, y - 0.1 * unit), (92, 58, 30), 0.05 * unit)
        _fill(canvas, arc(0.06 * unit, 0.05 * unit, x=x, y=y - 0.08 * unit), (92, 58, 30))
    elif event.verb == "pours":
        side = -1 if event.hand == "right" else 1
        _stroke(
            canvas, (x + side * 0.2 * unit, y), (x + side * 0.24 * unit, y + 0.34 * unit), (120, 190, 235), 0.06 * unit
        )
    elif event.verb == "opens":
        _fill(canvas, arc(0.17 * unit, 0.06 * unit, x=hx, y=hy - 0.06 * unit), (40, 40, 44))


def _draw_hand(canvas: np.ndarray, project: Project, hand: Pose, shoulder: tuple[float, float], width: float) -> None:
    palm, look = _palm(hand), hand_look()
    x, y, unit = project(palm)
    _stroke(canvas, shoulder, (x, y), SKIN_RGB, width * unit)
    _fill_all(canvas, _place(look.points, project, palm), look.parts)


def _draw_ego(take: Take, scene: Scene, project: Project, size_px: int) -> np.ndarray:
    canvas = _wall(size_px).copy()
    anchors_uv, worktop = _worktop()
    x, y, _ = project(Pose(anchors_uv[:, 0], anchors_uv[:, 1], 0.0))
    _fill_all(canvas, np.stack([x, y], axis=1) + worktop.points, worktop.parts)
    behind = sorted(range(len(take.items)), key=lambda n: (scene.items[n].held_by is not None, -scene.items[n].v))
    for number in behind:
        _draw_item(canvas, project, take.items[number], scene.items[number], number in scene.cut)
    for hand in HANDS:
        _draw_hand(canvas, project, scene.hands[hand], (0.12 if hand == "left" else 0.88, 1.1), 0.12)
    _draw_effects(canvas, scene, project)
    return canvas


@cache
def _wall(size_px: int) -> np.ndarray:
    return np.full((size_px, size_px, 3), (196, 190, 182), np.uint8)


@cache
def _worktop() -> tuple[np.ndarray, Outlines]:
    """Lay out the worktop of the ego view: the (u, v) that each point hangs on, and how far from there it is drawn."""
    unit = 1 / EGO_WIDTH
    anchors, polygons = [], []
    for region, rgb in enumerate(REGION_RGB):
        dark, details = darker(rgb, 0.75), []
        if region == 0:
            details = [(rect(-0.3 * unit, -0.02, 0.3 * unit, 0.07), dark)]
        elif region == 1:
            details = [(arc(0.13 * unit, 0.05 * unit, x=side * unit), (40, 38, 40)) for side in (-0.22, 0.22)]
        elif region == 3:
            details = [(rect(-0.2 * unit, 0.0, 0.2 * unit, 0.03), dark)]
        anchors += [rect(region, 0.98, region + 1, -0.6)]
        anchors += [np.tile((region + 0.5, 0.86), (len(polygon), 1)) for polygon, _ in details]
        polygons += [(np.zeros((4, 2)), rgb), *details]
    return np.concatenate(anchors), outlines(polygons)


def _draw_exo(take: Take, scene: Scene, view: str, size_px: int) -> np.ndarray:
    project = _exo_camera(view)
    mirrored = view == "cam01"
    order = sorted(range(len(take.items)), key=lambda n: scene.items[n].v, reverse=not mirrored)
    things = [(take.items[number], scene.items[number], number in scene.cut) for number in order]
    still = tuple(takewhile(lambda thing: thing[1].held_by is None, things))
    body_x = project(Pose(scene.gaze_u, 0, 0))[0]
    canvas = _still(view, size_px, body_x if mirrored else None, still).copy()
    for thing in things[len(still) :]:
        _draw_item(canvas, project, *thing)
    if not mirrored:
        _draw_body(canvas, body_x, 0.80)
    for hand in HANDS:
        side = (0.075 if hand == "left" else -0.075) * (1 if mirrored else -1)
        _draw_hand(canvas, project, scene.hands[hand], (body_x + side, 0.42 if mirrored else 0.60), 0.09)
    _draw_effects(canvas, scene, project)
    if not mirrored:
        _fill(canvas, rect(0.9, 0.2, 1.0, 0.9), (110, 96, 84))  # a cupboard's edge in front of the last region
    return canvas


@lru_cache(maxsize=16)
def _still(view: str, size_px: int, body_x: float | None, still: Still) -> np.ndarray:
    """Draw what lies behind all that moves, which is the same for many frames; `body_x` where the body is behind."""
    room, top, left, right = _room(view, size_px)
    canvas = room.copy()
    if body_x is not None:
        _draw_body(canvas, body_x, 0.60)
        canvas[top:, left:right] = room[top:, left:right]  # the worktop hides the legs
    for thing in still:
        _draw_item(canvas, _exo_camera(view), *thing)
    return canvas


@cache
def _room(view: str, size_px: int) -> tuple[np.ndarray, int, int, int]:
    """Draw the empty room, which never changes: (frame, first row of the worktop, its first column, its end column)."""
    project = _exo_camera(view)
    mirrored = view == "cam01"
    room = np.empty((size_px, size_px, 3), np.uint8)
    room[:] = (206, 200, 190) if mirrored else (188, 196, 202)
    _fill(room, rect(0, 0.86, 1, 1), (128, 112, 98))
    for region, rgb in enumerate(REGION_RGB):
        x1, top, _ = project(Pose(region, 0 if mirrored else 1.1, 0))
        x2, bottom, _ = project(Pose(region + 1, 1.1 if mirrored else 0, 0))
        _fill(room, rect(min(x1, x2), top - 0.02, max(x1, x2), bottom + 0.02), rgb)
        _fill(room, rect(min(x1, x2), bottom + 0.02, max(x1, x2), bottom + 0.14), darker(rgb, 0.7))
    left, right = sorted(project(Pose(u, 0, 0))[0] for u in (0, len(REGION_RGB)))
    return room, round((top - 0.02) * size_px), round(left * size_px), round(right * size_px)


def _draw_body(canvas: np.ndarray, x: float, bottom: float) -> None:
    look = body_look()
    _fill_all(canvas, look.points + (x, bottom), look.parts)
