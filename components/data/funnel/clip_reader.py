"""Frames of clips from untrusted files: decoded in a killable process, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from components import video
from components.video.killable_worker import KillableWorker, WorkerDiedError

Spans = tuple[tuple[float, float], ...]  # (start, end) of clips, seconds


class Decoding(NamedTuple):
    """How clips are decoded: frames of each, the side of the square they are resized to, and the time for a video."""

    frames: int
    size_px: int
    timeout_s: float


class DecodedVideo(NamedTuple):
    """Length and frame size of a video, and frames of it: uint8, RGB, resized to a square.

    Attributes:
        duration_s: of the whole video.
        fps: of the file.
        size_px: width and height in the file.
        spans: (start, end) of each clip, cut at the end of the video, seconds.
        clips: an array [T, S, S, 3] for each span; None where the span begins after the end.
        stills: [N, S, S, 3], single frames.
    """

    duration_s: float
    fps: float
    size_px: tuple[int, int]
    spans: Spans
    clips: tuple[np.ndarray | None, ...]
    stills: np.ndarray


class RefusedError(Exception):
    """A video cannot be decoded; `reason` is the one of the rejects table."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read(
    worker: KillableWorker,
    root: Path,
    path: str,
    spans: Spans,
    *,
    frames: int,
    size_px: int,
    stills: tuple[int, ...] = (),
    fps: float | None = None,
) -> DecodedVideo:
    """Decode frames of spans of a video, and single frames.

    Args:
        worker: the process that decodes.
        root: folder of the source.
        path: of the video, relative to it.
        spans: (start, end) of each clip, seconds.
        frames: to decode of each span.
        size_px: side of the square that each frame is resized to.
        stills: numbers of single frames to decode.
        fps: images a second, where the video is a folder of images whose rate its source tells.

    Returns:
        The frames.

    Raises:
        RefusedError: path_outside_root, video_missing, video_unreadable, or decoder_killed (it took too long).
    """
    try:
        whole = video.inside(root, path)
        if not whole.exists():
            raise RefusedError("video_missing", path)
        return worker.call(_read, whole, spans, frames, size_px, stills, fps)
    except video.PathError as error:
        raise RefusedError("path_outside_root", error.cause) from error
    except video.VideoError as error:
        raise RefusedError("video_unreadable", f"{path}: {error.cause}") from error
    except WorkerDiedError as error:
        raise RefusedError("decoder_killed", f"{path}: {error}") from error


def _read(
    path: Path, spans: Spans, frames: int, size_px: int, stills: tuple[int, ...], fps: float | None
) -> DecodedVideo:
    import cv2

    cv2.setNumThreads(1)
    probed = video.probe(path, fps)
    cut = tuple((start_s, min(end_s, probed.duration_s)) for start_s, end_s in spans)
    inside = [start_s < end_s and start_s * probed.fps < probed.index_count for start_s, end_s in cut]
    chosen = [
        video.sample_frame_indices(*span, fps=probed.fps, n_frames=frames, total_frames=probed.index_count)
        for span, fine in zip(cut, inside, strict=True)
        if fine
    ]
    wanted = np.concatenate([*chosen, np.array(stills, dtype=np.int64)])
    decoded = (
        video.decode(path, wanted, size_px=size_px) if len(wanted) else np.empty((0, size_px, size_px, 3), np.uint8)
    )
    frames_of_clips = iter(decoded[: frames * len(chosen)].reshape(-1, frames, size_px, size_px, 3))
    clips = tuple(next(frames_of_clips) if fine else None for fine in inside)
    return DecodedVideo(
        probed.duration_s, probed.fps, video.frame_size_px(path), cut, clips, decoded[frames * len(chosen) :]
    )
