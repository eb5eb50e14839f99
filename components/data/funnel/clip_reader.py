"""Frames of clips that nobody has vouched for: read in a killable process, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from components import video
from components.video.killable_worker import KillableWorker, WorkerDiedError

Spans = tuple[tuple[float, float], ...]


class Footage(NamedTuple):
    """What a video holds, and frames of it: uint8, RGB, resized to a square.

    `spans` are those asked, cut at the end of the video; `clips` has an array [T, S, S, 3] for each, None where it
    begins after the end. `stills` [N, S, S, 3] are the single frames asked.
    """

    duration_s: float
    fps: float
    size_px: tuple[int, int]  # width and height of the film
    spans: Spans
    clips: tuple[np.ndarray | None, ...]
    stills: np.ndarray


class RefusedError(Exception):
    """A video gives no frames; `reason` is one word for the rejects table."""

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
) -> Footage:
    """Decode `frames` frames of each span of a video, and single ones.

    Raises:
        RefusedError: path_outside_root, video_missing, video_unreadable, or decoder_killed on its wall clock.
    """
    try:
        whole = video.inside(root, path)
        if not whole.is_file():
            raise RefusedError("video_missing", path)
        return worker.call(_read, whole, spans, frames, size_px, stills)
    except video.PathError as error:
        raise RefusedError("path_outside_root", error.cause) from error
    except video.VideoError as error:
        raise RefusedError("video_unreadable", f"{path}: {error.cause}") from error
    except WorkerDiedError as error:
        raise RefusedError("decoder_killed", f"{path}: {error}") from error


def _read(path: Path, spans: Spans, frames: int, size_px: int, stills: tuple[int, ...]) -> Footage:
    import cv2

    cv2.setNumThreads(1)
    probed = video.probe(path)
    cut = tuple((start_s, min(end_s, probed.duration_s)) for start_s, end_s in spans)
    inside = [start_s < end_s and start_s * probed.fps < probed.frames for start_s, end_s in cut]
    chosen = [
        video.sample_frame_indices(*span, fps=probed.fps, n_frames=frames, total_frames=probed.frames)
        for span, fine in zip(cut, inside, strict=True)
        if fine
    ]
    wanted = np.concatenate([*chosen, np.array(stills, dtype=np.int64)])
    decoded = (
        video.decode(path, wanted, size_px=size_px) if len(wanted) else np.empty((0, size_px, size_px, 3), np.uint8)
    )
    made = iter(decoded[: frames * len(chosen)].reshape(-1, frames, size_px, size_px, 3))
    clips = tuple(next(made) if fine else None for fine in inside)
    return Footage(probed.duration_s, probed.fps, _frame_size(path), cut, clips, decoded[frames * len(chosen) :])


def _frame_size(path: Path) -> tuple[int, int]:
    """Read width and height from the container: `video.decode` gives squares, and the motion filter needs H and W."""
    import av

    with av.open(str(path), metadata_errors="replace") as container:
        return container.streams.video[0].width, container.streams.video[0].height
