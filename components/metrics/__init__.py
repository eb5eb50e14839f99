"""The scores of answers; how sure they are is in statistics.py."""

from components.metrics.overlap import Box, Span, box_iou, temporal_iou

__all__ = ["Box", "Span", "box_iou", "temporal_iou"]
