"""What a hand and object detector finds in a clip, whichever it is: learned from boxes, or a folder's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from components.metrics import Box, box_iou

NamedBoxes = list[tuple[str, list[float]]]  # of one frame: name, and (x1, y1, x2, y2) in percent
Candidate = tuple[float, Box, int]  # score, box in 0..1 of the frame, and side where it is a hand

LEARNED = "learned"  # `funnel.hand_detector` of the parameters, where it names no folder
SIDES = ("left hand", "right hand")  # VISOR's names; everything else with a box is an object
THRESHOLD = 0.5  # lowest score of a detection
DECIMALS = 4  # of what a model says, before anything is decided by it: more are not the same on all processors
SAME_IOU = 0.3  # from this overlap on, two boxes are detections of one thing


class Detections(NamedTuple):
    """What was found in a clip, with a list for each frame, the highest score first.

    Attributes:
        hands: boxes (x1, y1, x2, y2) in 0..1 of the frame.
        sides: for each of these hands an index into SIDES.
        objects: boxes, as those of hands.
    """

    hands: list[list[Box]]
    sides: list[list[int]]
    objects: list[list[Box]]

    def centres(self) -> np.ndarray:
        """Return the centres of the surest left and right hand, float [T, 2, 2] in 0..1; NaN where there is none."""
        centres = np.full((len(self.hands), len(SIDES), 2), np.nan)
        for frame, (boxes, sides) in enumerate(zip(self.hands, self.sides, strict=True)):
            # in reverse, so that the box with the highest score is written last
            for box, side in reversed(list(zip(boxes, sides, strict=True))):
                centres[frame, side] = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return centres


Detect = Callable[[np.ndarray], Detections]  # of uint8 frames [T, S, S, 3]


def ranked(hands: list[list[Candidate]], objects: list[list[Candidate]]) -> Detections:
    """Return the detections of candidates that `without_duplicates` has sorted, with a list for each frame."""
    return Detections(
        [[box for _, box, _ in of_frame] for of_frame in hands],
        [[side for _, _, side in of_frame] for of_frame in hands],
        [[box for _, box, _ in of_frame] for of_frame in objects],
    )


def without_duplicates(found: list[Candidate]) -> list[Candidate]:
    """Sort by score and drop a box that overlaps one of higher score: a detector may find one thing twice."""
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda candidate: -candidate[0]):
        if all(box_iou(candidate[1], other[1]) < SAME_IOU for other in kept):
            kept.append(candidate)
    return kept


def matched(found: list[Box], true: list[Box], *, iou: float = 0.5) -> tuple[list[bool], list[bool]]:
    """Pair the boxes found in a frame with the true ones, each at most once.

    Args:
        found: the highest score first.
        true: of the same frame.
        iou: overlap from which on a box counts as found.

    Returns:
        Whether each of the found boxes is one of the true ones, and whether each of the true ones was found.
    """
    hit, taken = [], [False] * len(true)
    for box in found:
        free = [(box_iou(box, other), place) for place, other in enumerate(true) if not taken[place]]
        best, place = max(free, default=(0.0, -1))
        hit.append(best >= iou)
        if hit[-1]:
            taken[place] = True
    return hit, taken
