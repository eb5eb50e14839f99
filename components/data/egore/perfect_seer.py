"""What frames can tell of time: the answer of a perfect seer, and whether it is good enough for a question to be asked.

A seer that knows what happens in every frame, and nothing of what happens between two, answers with the stretch of the
window that the frames of an event stand for. Where this answer is far from the truth, nobody can learn to see it.
"""

from __future__ import annotations

import numpy as np

LEAST_IOU = 0.8  # of the perfect seer's answer; a question with a smaller one is not asked


def seen_spans(
    from_s: np.ndarray, to_s: np.ndarray, *, shown_s: np.ndarray, told_s: np.ndarray, window_s: np.ndarray
) -> np.ndarray:
    """Return the stretch of each window that the frames of its event stand for.

    A frame stands for the time up to the middle between it and its neighbour, the first and the last one for all up to
    the ends of the window. Where an event falls between two frames, the one that is nearest to its middle is answered.

    Args:
        from_s: starts of the events in seconds from the start of their windows, float [N].
        to_s: their ends, exclusive, float [N].
        shown_s: the times of the film that the frames show, from the start of the window, float [N, T].
        told_s: the times that the prompt says of them, rising, float [N, T].
        window_s: lengths of the windows, float [N].

    Returns:
        Start and end in seconds from the start of the window, float [N, 2].
    """
    rows, last = np.arange(len(shown_s)), shown_s.shape[1] - 1
    during = (from_s[:, None] <= shown_s) & (shown_s < to_s[:, None])
    nearest = np.abs(shown_s - ((from_s + to_s) / 2)[:, None]).argmin(axis=1)
    is_seen = during.any(axis=1)
    first = np.where(is_seen, during.argmax(axis=1), nearest)
    final = np.where(is_seen, last - during[:, ::-1].argmax(axis=1), nearest)
    edges = np.column_stack([np.zeros(len(rows)), (told_s[:, 1:] + told_s[:, :-1]) / 2, window_s])
    return np.stack([edges[rows, first], edges[rows, final + 1]], axis=1)


def perfect_iou(from_s: np.ndarray, to_s: np.ndarray, *, time_step_s: float, **frames: np.ndarray) -> np.ndarray:
    """Return the temporal IoU (systems §0.2) of the perfect seer's answer with the truth.

    Args:
        from_s: starts of the events in seconds from the start of their windows, float [N].
        to_s: their ends, exclusive, float [N].
        time_step_s: answers are multiples of this, as `prompts.format_span` rounds them.
        frames: `shown_s`, `told_s` and `window_s`, as `seen_spans` takes them.

    Returns:
        float [N], 0 to 1.
    """
    start, end = np.floor(seen_spans(from_s, to_s, **frames) / time_step_s + 0.5).T
    start_s, end_s = start * time_step_s, np.maximum(end, start + 1) * time_step_s
    overlap_s = np.maximum(np.minimum(end_s, to_s) - np.maximum(start_s, from_s), 0.0)
    return overlap_s / (np.maximum(end_s, to_s) - np.minimum(start_s, from_s))
