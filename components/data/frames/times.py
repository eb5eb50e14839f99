"""When the frames of a sample were taken, as its prompt says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components import video


def frame_times(media: Sequence[Mapping[str, Any]], n_frames: int) -> np.ndarray | None:
    """Return the times of the frames of a sample by the sampling rule, in seconds from the start of its span.

    Args:
        media: the spans that the sample shows, with `start_s` and `end_s`.
        n_frames: frames of the sample.

    Returns:
        float64 array [n_frames]; None where there are several spans, between which time jumps, or no frames.
    """
    if len(media) != 1 or not n_frames:
        return None
    return video.middles(media[0]["end_s"] - media[0]["start_s"], n_frames)
