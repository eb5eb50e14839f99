"""What frames can tell of time: the answer of a perfect seer, and whether it is good enough for a question to be asked.

A seer that knows what happens in every frame, and nothing of what happens between two, answers with the frames of an
event. It may take a frame for an instant, or for the stretch of time up to the middles between it and its neighbours.
Where one of these answers is far from the truth, nobody can learn to see it.
"""

from __future__ import annotations

import numpy as np

LEAST_IOU = 0.8  # of the perfect seer's answers; a question with a smaller one is not asked


def seen_spans(
    from_s: np.ndarray, to_s: np.ndarray, *, seen_s: np.ndarray, told_s: np.ndarray, window_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spans that a perfect seer answers.

    Where an event falls between two frames, the frame that is nearest to its middle is answered.

    Args:
        from_s: starts of the events in seconds from the start of their windows, float [N].
        to_s: their ends, exclusive, float [N].
        seen_s: the times at which frames lie inside an event or not, from the start of the window, float [N, T].
        told_s: the times that the prompt says of them, rising, float [N, T].
        window_s: lengths of the windows, float [N].

    Returns:
        Starts and ends in seconds from the start of the window, float [N, 2] each: from the first frame to the last,
        and of the stretch of time that they stand for.
    """
    rows, last = np.arange(len(seen_s)), seen_s.shape[1] - 1
    during = (from_s[:, None] <= seen_s) & (seen_s < to_s[:, None])
    nearest = np.abs(seen_s - ((from_s + to_s) / 2)[:, None]).argmin(axis=1)
    is_seen = during.any(axis=1)
    first = np.where(is_seen, during.argmax(axis=1), nearest)
    final = np.where(is_seen, last - during[:, ::-1].argmax(axis=1), nearest)
    edges = np.column_stack([np.zeros(len(rows)), (told_s[:, 1:] + told_s[:, :-1]) / 2, window_s])
    instants = np.stack([told_s[rows, first], told_s[rows, final]], axis=1)
    return instants, np.stack([edges[rows, first], edges[rows, final + 1]], axis=1)


def perfect_iou(
    from_s: np.ndarray,
    to_s: np.ndarray,
    *,
    shown_s: np.ndarray,
    told_s: np.ndarray,
    window_s: np.ndarray,
    time_step_s: float,
) -> np.ndarray:
    """Return the temporal IoU (systems §0.2) of the worst of the perfect seer's answers with the truth, float [N].

    Args:
        from_s: starts of the events in seconds from the start of their windows, float [N].
        to_s: their ends, exclusive, float [N].
        shown_s: the times of the film that the frames show: up to a frame before those that are told, float [N, T].
        told_s: the times that the prompt says of them, float [N, T].
        window_s: lengths of the windows, float [N].
        time_step_s: answers are multiples of this, as `prompts.format_span` rounds them.
    """
    frames = {"told_s": told_s, "window_s": window_s}
    answers = [answer for seen_s in (shown_s, told_s) for answer in seen_spans(from_s, to_s, seen_s=seen_s, **frames)]
    return np.min([_iou(answer, from_s, to_s, time_step_s) for answer in answers], axis=0)


def _iou(answer: np.ndarray, from_s: np.ndarray, to_s: np.ndarray, time_step_s: float) -> np.ndarray:
    start, end = np.floor(answer / time_step_s + 0.5).T
    start_s, end_s = start * time_step_s, np.maximum(end, start + 1) * time_step_s
    overlap_s = np.maximum(np.minimum(end_s, to_s) - np.maximum(start_s, from_s), 0.0)
    return overlap_s / (np.maximum(end_s, to_s) - np.minimum(start_s, from_s))
