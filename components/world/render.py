"""Draw frames of the miniature kitchen, as the cameras of components/world/cameras.py see it."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import takewhile

import cv2
import numpy as np

from components.prompts.kitchen_grammar import HANDS
from components.world.cameras import EGO_WIDTH, VIEWS, Project, ego_camera, exo_camera, palm, place
from components.world.script import Item, Pose, Scene, Take, scene_at
from components.world.silhouettes import (
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

REGION_RGB = ((120, 132, 142), (78, 74, 76), (176, 142, 104), (138, 104, 74))
Still = tuple[tuple[Item, Pose, bool], ...]  # what nobody moves: item, where it stands, whether it was cut


def render(take: Take, time_s: float, view: str, *, size_px: int) -> np.ndarray:
    """Draw one frame.

    Args:
        take: the scripted take.
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
    """Draw one frame of a scene that is known, as `render` does; the three views of a time share their scene.

    Args:
        take: the scripted take.
        scene: its state at `time_s`.
        time_s: seconds from the start of the take.
        view: "ego", "cam01" or "cam02".
        size_px: side of the square frame.

    Returns:
        uint8 array [H, W, 3], RGB.

    Raises:
        ValueError: an unknown view.
    """
    if view == "ego":
        canvas = _draw_ego(take, scene, ego_camera(take, scene, time_s), size_px)
    elif view in VIEWS:
        canvas = _draw_exo(take, scene, view, size_px)
    else:
        raise ValueError(f"view {view!r} is unknown, allowed are {VIEWS}")
    return cv2.convertScaleAbs(canvas, alpha=take.light)


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


def draw_item(canvas: np.ndarray, project: Project, item: Item, pose: Pose, is_cut: bool) -> None:
    """Draw one object as a camera sees it where nothing stands before it.

    Args:
        canvas: uint8 [H, W, 3], drawn on.
        project: the camera.
        item: the object.
        pose: where it is.
        is_cut: whether it was cut.
    """
    look = item_look(item.kind, item.colour, is_cut=is_cut)
    _fill_all(canvas, place(look.points, project, pose), look.parts)


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
    wrist, look = palm(hand), hand_look()
    x, y, unit = project(wrist)
    _stroke(canvas, shoulder, (x, y), SKIN_RGB, width * unit)
    _fill_all(canvas, place(look.points, project, wrist), look.parts)


def _draw_ego(take: Take, scene: Scene, project: Project, size_px: int) -> np.ndarray:
    canvas = _wall(size_px).copy()
    anchors_uv, worktop = _worktop()
    # one call for all anchors: a projection is arithmetic, which takes arrays as it takes numbers
    x, y, _ = project(Pose(anchors_uv[:, 0], anchors_uv[:, 1], 0.0))  # ty: ignore[invalid-argument-type]
    _fill_all(canvas, np.stack([x, y], axis=1) + worktop.points, worktop.parts)
    behind = sorted(range(len(take.items)), key=lambda n: (scene.items[n].held_by is not None, -scene.items[n].v))
    for number in behind:
        draw_item(canvas, project, take.items[number], scene.items[number], number in scene.cut)
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
    project = exo_camera(view)
    mirrored = view == "cam01"
    order = sorted(range(len(take.items)), key=lambda n: scene.items[n].v, reverse=not mirrored)
    things = [(take.items[number], scene.items[number], number in scene.cut) for number in order]
    still = tuple(takewhile(lambda thing: thing[1].held_by is None, things))
    body_x = project(Pose(scene.gaze_u, 0, 0))[0]
    canvas = _still(view, size_px, body_x if mirrored else None, still).copy()
    for thing in things[len(still) :]:
        draw_item(canvas, project, *thing)
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
        draw_item(canvas, exo_camera(view), *thing)
    return canvas


@cache
def _room(view: str, size_px: int) -> tuple[np.ndarray, int, int, int]:
    """Draw the empty room, which never changes: (frame, first row of the worktop, its first column, its end column)."""
    project = exo_camera(view)
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
