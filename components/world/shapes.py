"""What an annotator would outline in a frame of the miniature kitchen: its objects and hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.prompts.kitchen_grammar import HANDS
from components.world.cameras import ego_camera, exo_camera, palm, place
from components.world.script import Take, scene_at
from components.world.silhouettes import HAND, HAND_RADIUS, ITEM_RADIUS, SILHOUETTES, Polygon


@dataclass(frozen=True)
class Shape:
    """The outline of an object or a hand: polygons in 0..1 of the frame, not clipped to it.

    `contact` is the name of the object that a hand touches.
    """

    name: str
    polygons: tuple[Polygon, ...]
    visible: bool
    contact: str | None


def ego_shapes(take: Take, time_s: float) -> list[Shape]:
    """Outline every object and hand of the ego frame at a time, in seconds from the start of the take."""
    return shapes(take, time_s, "ego")


def shapes(take: Take, time_s: float, view: str) -> list[Shape]:
    """Outline every object, in the order of the take's items, then both hands.

    Args:
        take: the scripted take.
        time_s: seconds from the start of the take.
        view: "ego", "cam01" or "cam02".
    """
    scene = scene_at(take, time_s)
    project = ego_camera(take, scene, time_s) if view == "ego" else exo_camera(view)
    found = []
    for item, pose in zip(take.items, scene.items, strict=True):
        polygons = tuple(place(polygon * ITEM_RADIUS, project, pose) for polygon in SILHOUETTES[item.kind][0])
        found.append(Shape(f"{item.colour} {item.kind}", polygons, _inside(polygons), None))
    for hand in HANDS:
        touched = scene.acting.item if scene.acting and scene.acting.hand == hand and 0.2 < scene.phase < 0.85 else None
        touched = next((n for n, pose in enumerate(scene.items) if pose.held_by == hand), touched)
        contact = None if touched is None else found[touched].name
        polygon = place(HAND * HAND_RADIUS, project, palm(scene.hands[hand]))
        found.append(Shape(f"{hand} hand", (polygon,), _inside((polygon,)), contact))
    return found


def _inside(polygons: tuple[Polygon, ...]) -> bool:
    """Return whether at least 60 % of the bounding box lies in the frame."""
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    kept = np.clip(high, 0, 1) - np.clip(low, 0, 1)
    return bool(np.prod(kept) >= 0.6 * np.prod(high - low))
