"""A film, an image or a folder of frames is probed in a process that is killed at a time limit."""

from __future__ import annotations

from pathlib import Path

from components import video
from components.video.killable_worker import KillableWorker, WorkerDiedError


def probe(worker: KillableWorker, path: Path, fps: float | None = None, *, timeout_s: float) -> video.Probe:
    """Return what `video.probe` returns.

    Args:
        worker: whose time limit is set anew.
        path: of the medium.
        fps: images a second of a folder of numbered images, as `video.probe` takes it.
        timeout_s: time limit, beside what a slow disk takes to read the file.

    Raises:
        VideoError: the medium cannot be read, or the worker died over it.
    """
    worker.timeout_s = timeout_s + video.longest_read_s(path)
    try:
        return worker.call(video.probe, path, fps)
    except WorkerDiedError as error:
        raise video.VideoError(path, f"probing was {error}") from error
