"""Overlap of boxes and of spans, shared by rewards and evaluation."""

from __future__ import annotations

Span = tuple[float, float]
Box = tuple[float, float, float, float]


def temporal_iou(a: Span, b: Span) -> float:
    """Overlap of two `(start_s, end_s)` spans over their union (systems §0.2).

    Returns:
        0 to 1; 0 where they do not overlap, or where one is empty or inverted.

    >>> temporal_iou((0, 4), (2, 6))
    0.3333333333333333
    """
    overlap = min(a[1], b[1]) - max(a[0], b[0])
    if overlap <= 0:
        return 0.0
    return float(overlap / (max(a[1], b[1]) - min(a[0], b[0])))


def box_iou(a: Box, b: Box) -> float:
    """Area of overlap of two `(x1, y1, x2, y2)` boxes over the area of their union (systems §0.2).

    Returns:
        0 to 1; 0 where they do not overlap, or where one is empty or inverted.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(overlap / (areas - overlap))
