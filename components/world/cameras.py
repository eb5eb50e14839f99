"""The cameras of the miniature kitchen: one narrow, moving ego view and two exo views of the whole room.

`ego`: on the head, follows the gaze with a sway, hands and objects large. `cam01`: across the worktop, mirrored.
`cam02`: from behind, where the body and a cupboard hide part of the worktop.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, sin

import numpy as np

from components.world.script import Pose, Scene, Take
from components.world.silhouettes import Polygon

VIEWS = ("ego", "cam01", "cam02")
EGO_WIDTH = 1.2  # kitchen units that the ego frame shows of the worktop
# pose -> (x, y, length of one kitchen unit), in 0..1 of the frame
Project = Callable[[Pose], tuple[float, float, float]]


def ego_camera(take: Take, scene: Scene, time_s: float) -> Project:
    """Return the projection of the camera on the head, which follows the gaze and sways.

    Args:
        take: the scripted take; each sways in its own way.
        scene: its state at `time_s`.
        time_s: seconds from the start of the take.
    """
    u = scene.gaze_u + 0.05 * sin(1.3 * time_s + take.index)
    dy = 0.02 * sin(1.7 * time_s + 2 * take.index)
    return lambda pose: (
        (pose.u - u) / EGO_WIDTH + 0.5,
        0.84 - 0.62 * pose.v + 0.08 * pose.z + dy,
        (1 + 0.35 * pose.z) / EGO_WIDTH,
    )


def exo_camera(view: str) -> Project:
    """Return the projection of a camera that stands in the room, "cam01" or "cam02"."""
    if view == "cam01":  # across the worktop: left and right are swapped, the far edge is near
        return lambda pose: (0.5 - (pose.u - 2) * 0.225, 0.60 + 0.16 * pose.v - 0.16 * pose.z, 0.47)
    return lambda pose: (0.47 + (pose.u - 2) * 0.225, 0.62 - 0.18 * pose.v - 0.16 * pose.z, 0.45)


def place(polygon: Polygon, project: Project, pose: Pose) -> Polygon:
    """Put a polygon into the frame.

    Args:
        polygon: float array [N, 2] in kitchen units around the pose.
        project: the camera.
        pose: where the thing is.

    Returns:
        Float array [N, 2] in 0..1 of the frame.
    """
    x, y, unit = project(pose)
    if pose.angle != 0:  # seldom
        polygon = polygon @ np.array([[cos(pose.angle), sin(pose.angle)], [-sin(pose.angle), cos(pose.angle)]])
    return polygon * unit + (x, y)


def palm(hand: Pose) -> Pose:
    """Return where the palm is, whose fingers reach the pose of a hand."""
    return Pose(hand.u, hand.v - 0.14, hand.z)
