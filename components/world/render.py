"""Draw the miniature kitchen: one narrow, moving ego view and two exo views of the whole room, all of the same state.

Ego (`ego`): camera on the head, follows the gaze with a sway, hands and objects large. `cam01`: from across the
worktop, mirrored. `cam02`: from behind, where the body and a cupboard hide part of the worktop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin

import cv2
import numpy as np

from components.prompts import HANDS
from components.world.script import Pose, Scene, Take, scene_at

VIEWS = ("ego", "cam01", "cam02")
COLOUR_RGB = {
    "red": (214, 40, 40),
    "green": (46, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (242, 210, 40),
    "purple": (150, 50, 190),
    "white": (242, 242, 238),
}
SKIN_RGB = (224, 172, 138)
REGION_RGB = ((120, 132, 142), (78, 74, 76), (176, 142, 104), (138, 104, 74))
ITEM_RADIUS = 0.21  # kitchen units
Polygon = np.ndarray  # float [N, 2], x right, y down
Project = Callable[
    [Pose], tuple[float, float, float]
]  # pose -> (x, y, pixels of one kitchen unit), in 0..1 of the frame


@cache
def _unit_arc(start: float, end: float) -> Polygon:
    angles = np.linspace(start, end, 20)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _arc(rx: float, ry: float, start: float = 0.0, end: float = 2 * pi, *, x: float = 0.0, y: float = 0.0) -> Polygon:
    return _unit_arc(start, end) * (rx, ry) + (x, y)


def _rect(x1: float, y1: float, x2: float, y2: float) -> Polygon:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=float)


# silhouettes in -1..1: (polygons of the object's colour, polygons of its dark detail)
SILHOUETTES: dict[str, tuple[tuple[Polygon, ...], tuple[Polygon, ...]]] = {
    "cup": ((_rect(-0.65, -0.75, 0.5, 0.8), _rect(0.45, -0.45, 1.0, 0.45)), (_rect(0.55, -0.2, 0.8, 0.2),)),
    "bowl": ((_arc(1.05, 1.0, 0, pi, y=-0.2),), (_arc(1.0, 0.14, y=-0.2),)),
    "pan": ((_arc(0.68, 0.68, x=-0.35), _rect(0.2, -0.16, 1.3, 0.16)), (_arc(0.42, 0.42, x=-0.35),)),
    "bottle": ((_rect(-0.42, -0.25, 0.42, 1.1), _rect(-0.17, -1.15, 0.17, -0.2)), (_rect(-0.42, 0.2, 0.42, 0.55),)),
    "plate": ((_arc(1.2, 0.5),), (_arc(0.7, 0.24),)),
    "box": ((_rect(-0.85, -0.85, 0.85, 0.85),), (_rect(-0.85, -0.1, 0.85, 0.1), _rect(-0.1, -0.85, 0.1, 0.85))),
    "carrot": (
        (np.array([[-0.5, -0.6], [0.5, -0.6], [0.0, 1.25]]),),
        (np.array([[-0.35, -1.1], [0.35, -1.1], [0, -0.6]]),),
    ),
    "fish": (
        (_arc(0.8, 0.48, x=-0.2), np.array([[0.45, 0.0], [1.15, -0.55], [1.15, 0.55]])),
        (_arc(0.1, 0.1, x=-0.65, y=-0.12),),
    ),
}


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
    scene = scene_at(take, time_s)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    if view == "ego":
        _draw_ego(canvas, take, scene, _ego_camera(take, scene, time_s))
    elif view in VIEWS:
        _draw_exo(canvas, take, scene, view)
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
        polygons = tuple(_place(polygon, project, pose) for polygon in SILHOUETTES[item.kind][0])
        found.append(Shape(f"{item.colour} {item.kind}", polygons, _inside(polygons), None))
    for hand in HANDS:
        touched = scene.acting.item if scene.acting and scene.acting.hand == hand and 0.2 < scene.phase < 0.85 else None
        touched = next((n for n, pose in enumerate(scene.items) if pose.held_by == hand), touched)
        contact = None if touched is None else found[touched].name
        polygon = _hand_outline(project, scene.hands[hand])
        found.append(Shape(f"{hand} hand", (polygon,), _inside((polygon,)), contact))
    return found


def _inside(polygons: tuple[Polygon, ...]) -> bool:
    """Tell whether at least 60 % of the bounding box lies in the frame."""
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    kept = np.clip(high, 0, 1) - np.clip(low, 0, 1)
    return bool(np.prod(kept) >= 0.6 * np.prod(high - low))


def _ego_camera(take: Take, scene: Scene, time_s: float) -> Project:
    u = scene.gaze_u + 0.05 * sin(1.3 * time_s + take.index)
    dy = 0.02 * sin(1.7 * time_s + 2 * take.index)
    return lambda pose: ((pose.u - u) / 1.2 + 0.5, 0.84 - 0.62 * pose.v + 0.08 * pose.z + dy, (1 + 0.35 * pose.z) / 1.2)


def _exo_camera(view: str) -> Project:
    if view == "cam01":  # across the worktop: left and right are swapped, the far edge is near
        return lambda pose: (0.5 - (pose.u - 2) * 0.225, 0.60 + 0.16 * pose.v - 0.16 * pose.z, 0.47)
    return lambda pose: (0.47 + (pose.u - 2) * 0.225, 0.62 - 0.18 * pose.v - 0.16 * pose.z, 0.45)


def _place(polygon: Polygon, project: Project, pose: Pose, radius: float = ITEM_RADIUS) -> Polygon:
    """Put a silhouette into the frame (0..1)."""
    x, y, unit = project(pose)
    if pose.angle == 0:  # nearly always, and three times as fast
        return polygon * (radius * unit) + (x, y)
    turn = np.array([[cos(pose.angle), sin(pose.angle)], [-sin(pose.angle), cos(pose.angle)]])
    return polygon @ turn * (radius * unit) + (x, y)


def _fill(canvas: np.ndarray, polygon: Polygon, rgb: tuple[int, ...]) -> None:
    points = np.rint(polygon * (canvas.shape[0] * 16)).astype(np.int32)
    cv2.fillPoly(canvas, [points], rgb, cv2.LINE_AA, shift=4)


def _stroke(
    canvas: np.ndarray, a: tuple[float, float], b: tuple[float, float], rgb: tuple[int, ...], width: float
) -> None:
    size = canvas.shape[0]
    ends = [(int(x * size * 16), int(y * size * 16)) for x, y in (a, b)]
    cv2.line(canvas, *ends, rgb, max(1, round(width * size)), cv2.LINE_AA, shift=4)


def _hand_outline(project: Project, hand: Pose) -> Polygon:
    return _place(_arc(1.0, 0.85), project, Pose(hand.u, hand.v - 0.14, hand.z), 0.11)


def _draw_item(canvas: np.ndarray, take: Take, scene: Scene, number: int, project: Project) -> None:
    item, pose = take.items[number], scene.items[number]
    rgb = COLOUR_RGB[item.colour]
    body, detail = SILHOUETTES[item.kind]
    for polygon in body:
        _fill(canvas, _place(polygon, project, pose, ITEM_RADIUS * 1.1), tuple(int(c * 0.35) for c in rgb))
    for polygon in body:
        _fill(canvas, _place(polygon, project, pose), rgb)
    for polygon in detail:
        _fill(canvas, _place(polygon, project, pose), tuple(int(c * 0.55) for c in rgb))
    if number in scene.cut:
        _fill(canvas, _place(_rect(-0.08, -1.0, 0.08, 1.0), project, pose), (20, 20, 20))


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
        _fill(canvas, _arc(0.06 * unit, 0.05 * unit, x=x, y=y - 0.08 * unit), (92, 58, 30))
    elif event.verb == "pours":
        side = -1 if event.hand == "right" else 1
        _stroke(
            canvas, (x + side * 0.2 * unit, y), (x + side * 0.24 * unit, y + 0.34 * unit), (120, 190, 235), 0.06 * unit
        )
    elif event.verb == "opens":
        _fill(canvas, _arc(0.17 * unit, 0.06 * unit, x=hx, y=hy - 0.06 * unit), (40, 40, 44))


def _draw_hand(canvas: np.ndarray, project: Project, hand: Pose, shoulder: tuple[float, float], width: float) -> None:
    x, y, unit = project(Pose(hand.u, hand.v - 0.14, hand.z))
    _stroke(canvas, shoulder, (x, y), SKIN_RGB, width * unit)
    outline = _hand_outline(project, hand)
    centre = outline.mean(0)
    _fill(canvas, centre + (outline - centre) * 1.12, tuple(int(c * 0.6) for c in SKIN_RGB))
    _fill(canvas, outline, SKIN_RGB)


def _draw_ego(canvas: np.ndarray, take: Take, scene: Scene, project: Project) -> None:
    canvas[:] = (196, 190, 182)
    for region, rgb in enumerate(REGION_RGB):
        x1, far, _ = project(Pose(region, 0.98, 0))
        x2, near, _ = project(Pose(region + 1, -0.6, 0))
        _fill(canvas, _rect(x1, far, x2, near), rgb)
        middle, y, unit = project(Pose(region + 0.5, 0.86, 0))
        dark = tuple(int(c * 0.75) for c in rgb)
        if region == 0:
            _fill(canvas, _rect(middle - 0.3 * unit, y - 0.02, middle + 0.3 * unit, y + 0.07), dark)
        elif region == 1:
            for side in (-0.22, 0.22):
                _fill(canvas, _arc(0.13 * unit, 0.05 * unit, x=middle + side * unit, y=y), (40, 38, 40))
        elif region == 3:
            _fill(canvas, _rect(middle - 0.2 * unit, y, middle + 0.2 * unit, y + 0.03), dark)
    behind = sorted(range(len(take.items)), key=lambda n: (scene.items[n].held_by is not None, -scene.items[n].v))
    for number in behind:
        _draw_item(canvas, take, scene, number, project)
    for hand in HANDS:
        _draw_hand(canvas, project, scene.hands[hand], (0.12 if hand == "left" else 0.88, 1.1), 0.12)
    _draw_effects(canvas, scene, project)


def _draw_exo(canvas: np.ndarray, take: Take, scene: Scene, view: str) -> None:
    project = _exo_camera(view)
    mirrored = view == "cam01"
    size = canvas.shape[0]
    room, top, left, right = _room(view, size)
    canvas[:] = room
    body_x = project(Pose(scene.gaze_u, 0, 0))[0]
    if mirrored:
        _draw_body(canvas, body_x, 0.60)
        canvas[top:, left:right] = room[top:, left:right]  # the worktop hides the legs
    order = sorted(range(len(take.items)), key=lambda n: scene.items[n].v, reverse=not mirrored)
    for number in order:
        _draw_item(canvas, take, scene, number, project)
    if not mirrored:
        _draw_body(canvas, body_x, 0.80)
    for hand in HANDS:
        side = (0.075 if hand == "left" else -0.075) * (1 if mirrored else -1)
        _draw_hand(canvas, project, scene.hands[hand], (body_x + side, 0.42 if mirrored else 0.60), 0.09)
    _draw_effects(canvas, scene, project)
    if not mirrored:
        _fill(canvas, _rect(0.9, 0.2, 1.0, 0.9), (110, 96, 84))  # a cupboard's edge in front of the last region


@cache
def _room(view: str, size_px: int) -> tuple[np.ndarray, int, int, int]:
    """Draw the empty room, which never changes: (frame, first row of the worktop, its first column, its end column)."""
    project = _exo_camera(view)
    mirrored = view == "cam01"
    room = np.empty((size_px, size_px, 3), np.uint8)
    room[:] = (206, 200, 190) if mirrored else (188, 196, 202)
    _fill(room, _rect(0, 0.86, 1, 1), (128, 112, 98))
    for region, rgb in enumerate(REGION_RGB):
        x1, top, _ = project(Pose(region, 0 if mirrored else 1.1, 0))
        x2, bottom, _ = project(Pose(region + 1, 1.1 if mirrored else 0, 0))
        _fill(room, _rect(min(x1, x2), top - 0.02, max(x1, x2), bottom + 0.02), rgb)
        _fill(room, _rect(min(x1, x2), bottom + 0.02, max(x1, x2), bottom + 0.14), tuple(int(c * 0.7) for c in rgb))
    left, right = sorted(project(Pose(u, 0, 0))[0] for u in (0, len(REGION_RGB)))
    return room, round((top - 0.02) * size_px), round(left * size_px), round(right * size_px)


def _draw_body(canvas: np.ndarray, x: float, bottom: float) -> None:
    _fill(canvas, _rect(x - 0.085, bottom - 0.26, x + 0.085, bottom), (70, 84, 110))
    _fill(canvas, _arc(0.055, 0.065, x=x, y=bottom - 0.33), SKIN_RGB)
    _fill(canvas, _arc(0.058, 0.045, pi, 2 * pi, x=x, y=bottom - 0.345), (60, 44, 34))
