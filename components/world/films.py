"""Film the miniature takes: one ego and two exo views each, as h264 files of Ego-Exo4D's names."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from components import video
from components.world.egoexo4d import EGO_FILE, EXO_CAMERAS
from components.world.plan import PlannedTake
from components.world.render import render
from components.world.script import Take

PROCESSES = 2


def film_all(planned: list[PlannedTake], root: Path, *, fps: int, size_px: int, progress: Progress) -> int:
    """Film every take that was not dropped, in two processes, and give the number of files."""
    filmed = [take for take in planned if not take.is_dropped]
    task = progress.add_task("films", total=len(filmed))
    files = 0
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for count in pool.imap_unordered(partial(_film, root=root, fps=fps, size_px=size_px), filmed, chunksize=4):
            files += count
            progress.advance(task)
    return files


def _film(planned: PlannedTake, *, root: Path, fps: int, size_px: int) -> int:
    folder = root / "takes" / planned.name
    names = {"ego": EGO_FILE} | {camera: f"frame_aligned_videos/{camera}.mp4" for camera in EXO_CAMERAS}
    for view, name in names.items():
        video.write(folder / name, _frames(planned.take, view, fps=fps, size_px=size_px), fps=fps, size_px=size_px)
    return len(names)


def _frames(take: Take, view: str, *, fps: int, size_px: int) -> Iterator[np.ndarray]:
    for number in range(round(take.take_s * fps)):
        yield render(take, number / fps, view, size_px=size_px)
