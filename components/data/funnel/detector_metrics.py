"""Precision and recall of a hand and object detector on frames with boxes."""

from __future__ import annotations

import numpy as np

from components.data.funnel import training_set
from components.data.funnel.detections import SIDES, Detect, matched
from components.metrics import Box
from components.metrics.statistics import Estimate, score


def evaluate(detect: Detect, test_set: training_set.TrainingSet, *, seed: int) -> dict[str, dict[str, Estimate | None]]:
    """Test a detector on frames with boxes.

    Args:
        detect: the detector to test.
        test_set: frames of held-out takes.
        seed: of the bootstrap.

    Returns:
        "hand" and "object" -> precision and recall at IoU 0.5; None where there is no box to count.
    """
    found = detect(test_set.stills)
    scores = {}
    for kind, boxes in (("hand", found.hands), ("object", found.objects)):
        true = [
            [_in_shares(box) for name, box in of_frame if (name in SIDES) == (kind == "hand")]
            for of_frame in test_set.boxes
        ]
        hits = [matched(*pair) for pair in zip(boxes, true, strict=True)]
        scores[kind] = {
            name: _estimate([of_frame[which] for of_frame in hits], test_set.still_takes, seed=seed)
            for which, name in enumerate(("precision", "recall"))
        }
    return scores


def _in_shares(percent: list[float]) -> Box:
    x1, y1, x2, y2 = (value / 100 for value in percent)
    return x1, y1, x2, y2


def _estimate(hits: list[list[bool]], takes: np.ndarray, *, seed: int) -> Estimate | None:
    """Average over the boxes of all frames; None where there is no box."""
    every = np.array([hit for of_frame in hits for hit in of_frame], dtype=np.float64)
    if not len(every):
        return None
    return score(every, np.repeat(takes, [len(of_frame) for of_frame in hits]), seed=seed)
