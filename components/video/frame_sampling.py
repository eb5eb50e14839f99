"""Which frames of a span are chosen: the one rule for training, rollouts and evaluation.

`contract` describes the rule and how frames are decoded; its digest is stored with the frames and checked when they
are read.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

import numpy as np

SAMPLING_RULE = "middles of equal segments, frame = floor(time_s * fps), resized to a square by area"
READER_RULE = "decord where packets prove it exact (timeline 1), PyAV elsewhere"


def sample_frame_indices(start_s: float, end_s: float, *, fps: float, n_frames: int, total_frames: int) -> np.ndarray:
    """Choose the frames of a span: the middles of `n_frames` equal segments.

    Args:
        start_s: start of the span in seconds from the start of the video.
        end_s: its end, exclusive.
        fps: frame rate of the video.
        n_frames: frames to choose; where the span holds fewer, frames repeat.
        total_frames: length of the video; later frames become the last one.

    Returns:
        int64 array [n_frames], not decreasing, each in [0, total_frames).

    Raises:
        ValueError: an empty span, a span outside the video, or a count below one.

    >>> sample_frame_indices(2.0, 4.0, fps=8, n_frames=4, total_frames=128).tolist()
    [18, 22, 26, 30]
    """
    if n_frames < 1 or total_frames < 1 or fps <= 0:
        raise ValueError(f"n_frames {n_frames}, total_frames {total_frames}, fps {fps}: allowed are values above 0")
    if not span_allowed(start_s, end_s, fps=fps, total_frames=total_frames):
        raise ValueError(
            f"span [{start_s}, {end_s}) s: allowed is 0 <= start < end, with start inside the {total_frames / fps:g} s "
            "of the video; mend the step that made the span"
        )
    return frames_of_spans(*(np.array([value]) for value in (start_s, end_s, fps, n_frames, total_frames)))


def span_allowed(start_s: Any, end_s: Any, *, fps: Any, total_frames: Any) -> Any:
    """Check that a span is not empty and begins inside its video; arrays check many spans at once.

    Args:
        start_s: start of the span in seconds from the start of the video; a number or an array [spans].
        end_s: its end, exclusive.
        fps: frame rate of the video.
        total_frames: length of the video.

    Returns:
        A bool, or a bool array [spans].
    """
    return (0 <= start_s) & (start_s < end_s) & (start_s * fps < total_frames)


def frames_of_spans(
    start_s: np.ndarray, end_s: np.ndarray, fps: np.ndarray, n_frames: np.ndarray, total_frames: np.ndarray
) -> np.ndarray:
    """Choose frames as `sample_frame_indices` does, for many spans that `span_allowed` allows.

    Args:
        start_s: float array [spans], starts in seconds from the start of the video.
        end_s: float array [spans], ends, exclusive.
        fps: float array [spans], frame rate of each video.
        n_frames: int array [spans], frames to choose of each span.
        total_frames: int array [spans], length of each video.

    Returns:
        int64 array [sum of n_frames], span after span.
    """
    span = np.repeat(np.arange(len(n_frames)), n_frames)
    number = np.arange(len(span)) - (np.cumsum(n_frames) - n_frames)[span]
    times_s = start_s[span] + (number + 0.5) * ((end_s - start_s) / n_frames)[span]
    # a time that stands for an exact frame boundary must not fall to the frame before it by rounding
    indices = np.floor(times_s * fps[span] + 1e-6).astype(np.int64)
    return np.clip(indices, 0, total_frames[span] - 1)


def middles(window_s: Any, n_frames: int) -> np.ndarray:
    """Return the middles of the equal segments of windows.

    Args:
        window_s: length of a window in seconds, or lengths of many, float [N].
        n_frames: segments of each.

    Returns:
        Seconds from the start of the window, float64 [n_frames] or [N, n_frames].
    """
    return (np.arange(n_frames) + 0.5) * (np.asarray(window_s)[..., None] / n_frames)


def frames_within(start_s: float, end_s: float, times_s: np.ndarray) -> list[int]:
    """Return the numbers of the frames of a window that show an event.

    Args:
        start_s: start of the event in seconds from the start of the window.
        end_s: its end, exclusive.
        times_s: of the frames, in seconds from the start of the window, float [T].

    Returns:
        Numbers from 0, in order; the frame nearest to the event's middle where it falls between two.

    >>> frames_within(4.0, 8.0, middles(16.0, 8))
    [2, 3]
    """
    inside_event = np.flatnonzero((start_s <= times_s) & (times_s < end_s))
    return inside_event.tolist() or [int(np.abs(times_s - (start_s + end_s) / 2).argmin())]


def contract(*, size_px: int, image_frames: int, clip_frames: int, window_frames: int, jpeg_quality: int) -> dict:
    """Describe how frames are chosen and decoded.

    Args:
        size_px: side of the square frames.
        image_frames: frames of a sample about one moment.
        clip_frames: frames of a sample about a clip.
        window_frames: frames of a sample about a longer window.
        jpeg_quality: of the stored frames, 1 to 100.

    Returns:
        the numbers given, the rule, the decoders with their versions, and `digest` (sha256 of all the rest).
    """
    terms = {
        "rule": SAMPLING_RULE,
        "fps": "of the video",
        "image_frames": image_frames,
        "clip_frames": clip_frames,
        "window_frames": window_frames,
        "size_px": size_px,
        "jpeg_quality": jpeg_quality,
        "reader": READER_RULE,
        "decord": version("decord"),
        "av": version("av"),
    }
    return terms | {"digest": hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()}
