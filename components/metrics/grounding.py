"""Grounding in time and in the image: what benchmarks report of an answer's overlap with the truth.

Every score is of one sample, so that intervals can be drawn over the videos that samples share; a benchmark's figures
are the means. An answer that cannot be read is wrong and never left out.
"""

from __future__ import annotations

from components.metrics.overlap import Box, Span, box_iou, temporal_iou

# EgoExoLearn's 0.05 (EgoThinker) and those of Charades-STA and Ego4D's queries
SPAN_THRESHOLDS = (0.05, 0.1, 0.3, 0.5, 0.7)
BOX_THRESHOLD = 0.5


def span_scores(answer: Span | None, truth: Span) -> dict[str, float]:
    """Score an interval by its overlap with the true one, and by whether that reaches the thresholds that papers print.

    "Reaches" is at least, as Charades-STA counts; Ego4D's natural-language queries ask for more than.

    Args:
        answer: `(start_s, end_s)`; None where none could be read.
        truth: `(start_s, end_s)`.

    Returns:
        "miou", 0 to 1, and "r1_05" to "r1_70", 0 or 1 (R1@IoU).

    >>> span_scores((0, 4), (2, 6))["r1_30"]
    1.0
    """
    overlap = 0.0 if answer is None else temporal_iou(answer, truth)
    return {"miou": overlap} | {f"r1_{round(100 * least):02}": float(overlap >= least) for least in SPAN_THRESHOLDS}


def box_scores(answer: Box | None, truth: Box) -> dict[str, float]:
    """Score a box by its overlap with the true one, and by two readings of EgoThinker's undefined Loc-Acc.

    "loc_acc" asks whether the centre lies in the true box: the paper's base has a mean overlap of 28.6 and a Loc-Acc of
    64.5, which no overlap of at least a half allows (systems §4.3). "r1_50" is that other reading.

    Args:
        answer: `(x1, y1, x2, y2)`; None where none could be read.
        truth: `(x1, y1, x2, y2)` in the same units.

    Returns:
        "miou", 0 to 1, "loc_acc" and "r1_50", 0 or 1.
    """
    if answer is None:
        return {"miou": 0.0, "loc_acc": 0.0, "r1_50": 0.0}
    x1, y1, x2, y2 = truth
    overlap = box_iou(answer, truth)
    inside = x1 <= (answer[0] + answer[2]) / 2 <= x2 and y1 <= (answer[1] + answer[3]) / 2 <= y2
    return {"miou": overlap, "loc_acc": float(inside), "r1_50": float(overlap >= BOX_THRESHOLD)}
