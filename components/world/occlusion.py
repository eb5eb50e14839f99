"""How much of what an event is done to a camera shows: bodies, hands and a cupboard stand before it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from components.world.cameras import ego_camera, exo_camera
from components.world.render import draw, draw_item
from components.world.script import Event, Take, scene_at

LEAST_SHOWN = 0.3  # share of the object's pixels from which on one can tell what it is
LOOKS = (0.4, 0.6)  # at these parts of an event
SIZE_PX = 64  # frames that models see
LEAST_CHANGE = 20  # of the sum of a pixel's colours, where an object covers it
AWAY_U = -50.0  # kitchen units: outside every frame


@lru_cache(maxsize=4096)  # both annotators of a take look at the same events
def share_shown(take: Take, event: Event, view: str) -> float:
    """Return the share of the pixels of an event's object that a view shows, on average over its LOOKS, 0 to 1.

    Args:
        take: the scripted take.
        event: one of its events.
        view: "ego", "cam01" or "cam02".
    """
    times_s = [event.start_s + part * (event.end_s - event.start_s) for part in LOOKS]
    return float(np.mean([_share_at(take, event, view, time_s) for time_s in times_s]))


def _share_at(take: Take, event: Event, view: str, time_s: float) -> float:
    scene = scene_at(take, time_s)
    pose = scene.items[event.item]
    alone = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    project = ego_camera(take, scene, time_s) if view == "ego" else exo_camera(view)
    draw_item(alone, project, take.items[event.item], pose, event.item in scene.cut)
    covered = alone.any(axis=2)
    if not covered.any():
        return 0.0
    items = (*scene.items[: event.item], pose._replace(u=AWAY_U), *scene.items[event.item + 1 :])
    without = replace(scene, items=items)
    frames = (draw(take, each, time_s, view, size_px=SIZE_PX).astype(np.int64) for each in (scene, without))
    changed = np.abs(np.subtract(*frames)).sum(axis=2) > LEAST_CHANGE
    return float((changed & covered).sum() / covered.sum())
