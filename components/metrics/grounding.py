"""Grounding in time and in the image: what benchmarks report of the overlaps of answers and truth.

Every function returns a number for each sample, so that intervals can be drawn over the videos that samples share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.metrics.overlap import Box, Span, box_iou, temporal_iou

LOCATED_IOU = 0.5


def temporal_overlaps(answers: Sequence[Span | None], truths: Sequence[Span]) -> np.ndarray:
    """Return the overlap over union of each answered span with the true one.

    Args:
        answers: N `(start_s, end_s)`; None where nothing could be read, which counts as wrong and is never left out.
        truths: N `(start_s, end_s)`.

    Returns:
        [N], 0 to 1; their mean is the mIoU.
    """
    pairs = zip(answers, truths, strict=True)
    return np.array([0.0 if answer is None else temporal_iou(answer, truth) for answer, truth in pairs])


def box_overlaps(answers: Sequence[Box | None], truths: Sequence[Box]) -> np.ndarray:
    """Return the overlap over union of each answered box with the true one.

    Args:
        answers: N `(x1, y1, x2, y2)`; None where nothing could be read, which counts as wrong and is never left out.
        truths: N `(x1, y1, x2, y2)` in the same units.

    Returns:
        [N], 0 to 1; their mean is the mIoU.
    """
    pairs = zip(answers, truths, strict=True)
    return np.array([0.0 if answer is None else box_iou(answer, truth) for answer, truth in pairs])


def recall_at_1(overlaps_N: np.ndarray, threshold: float) -> np.ndarray:
    """Return 1.0 for each answer whose overlap reaches the threshold, else 0.0: R1@threshold is their mean.

    "Reaches" is at least, as Charades-STA counts; Ego4D's natural-language queries ask for more than.

    Args:
        overlaps_N: [N] overlaps over unions.
        threshold: above 0 to 1.

    Raises:
        ValueError: the threshold would let an answer without overlap count, or none at all.

    >>> recall_at_1(np.array([0.2, 0.3, 0.9]), 0.3).tolist()
    [0.0, 1.0, 1.0]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} came, allowed is above 0 to 1")
    return (np.asarray(overlaps_N) >= threshold).astype(float)


def located(overlaps_N: np.ndarray) -> np.ndarray:
    """Return 1.0 for each box that is at the right place, else 0.0: the localisation accuracy (Loc-Acc) is their mean.

    EgoThinker (2025, table 3) prints "Loc-Acc" without saying what it is. It is read here as referring expressions are
    measured (RefCOCO's accuracy): an overlap over union of at least one half.
    """
    return recall_at_1(overlaps_N, LOCATED_IOU)
