"""The thresholds of EgoThinker's funnel (systems §4.1) on ego scores and on counts of a detector: pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

EGO_SCORE = 0.5
MOST_HANDS = 2
OBJECT_TENTHS = 7  # a clip needs 0.7 object boxes a frame; tenths, because 0.7 * frames is not exact
LEAST_MOTION = 0.1


def motion(centres_px: np.ndarray, *, width_px: int, height_px: int) -> float:
    """Return how far a hand moves: the largest distance between its centres in two frames, over min(H, W).

    Left and right hand are compared each with itself: the two hands of one frame are always far apart.

    Args:
        centres_px: float [T, hands, 2], x and y; NaN where a hand is not seen.
        width_px: of the video.
        height_px: of the video.

    Returns:
        The share; 0 where no hand is seen in two frames.

    >>> motion(np.array([[[0.0, 0.0]], [[30.0, 40.0]]]), width_px=200, height_px=100)
    0.5
    """
    apart_px = np.linalg.norm(centres_px[:, None] - centres_px[None], axis=-1)
    return float(np.nanmax(apart_px, initial=0.0) / min(width_px, height_px))


def reasons(scored: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the reason why each clip is dropped, by the classifier and by the hand-object filter.

    Args:
        scored: `ego_score` and, where it is at least EGO_SCORE, `hands` (most in a frame), `objects` (boxes of all
            frames), `frames` and `motion` (as `motion` gives it).

    Returns:
        Two arrays [N] of text; "" where the clip is kept.
    """
    view = np.where(scored["ego_score"] < EGO_SCORE, "exo_view", "")
    seen = [scored[name].to_numpy(dtype=np.float64) for name in ("hands", "objects", "frames", "motion")]
    hands, objects, frames, moved = seen
    dropped = {
        "over_2_hands": hands > MOST_HANDS,
        "few_objects": 10 * objects < OBJECT_TENTHS * frames,
        "hands_rest": ~(moved > LEAST_MOTION),
    }
    filtered = np.select(list(dropped.values()), list(dropped), "")
    return view, np.where(view == "", filtered, "")
