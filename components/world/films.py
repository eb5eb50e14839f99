"""Film the miniature takes: one ego and two exo views each, as h264 files of Ego-Exo4D's names; and single cuts."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from rich.progress import Progress

from components import video
from components.world.egoexo4d import EGO_FILE, EXO_CAMERAS
from components.world.plan import PlannedTake
from components.world.render import draw
from components.world.script import Take, scene_at

PROCESSES = 2


@dataclass(frozen=True)
class Cut:
    """A film of its own: the ego view of `[start_s, end_s)` of a script, at `fps` frames a second."""

    path: Path
    take: Take
    start_s: float
    end_s: float
    fps: int


def film_all(
    planned: list[PlannedTake],
    root: Path,
    *,
    fps: int,
    size_px: int,
    progress: Progress,
    cuts: Sequence[Cut] = (),
) -> int:
    """Film every take that was not dropped, and the cuts, in PROCESSES processes.

    Args:
        planned: the takes.
        root: folder of Ego-Exo4D, below which the films of takes lie.
        fps: frames per second of takes.
        size_px: side of the square frames.
        progress: shows how many are done.
        cuts: films of their own, beside those of takes.

    Returns:
        The number of files.
    """
    filmed = [take for take in planned if not take.is_dropped]
    task = progress.add_task("films", total=len(filmed) + len(cuts))
    files = 0
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        takes = pool.imap_unordered(partial(_film, root=root, fps=fps, size_px=size_px), filmed, chunksize=4)
        for count in chain(takes, pool.imap_unordered(partial(_film_cut, size_px=size_px), cuts, chunksize=4)):
            files += count
            progress.advance(task)
    return files


def _film(planned: PlannedTake, *, root: Path, fps: int, size_px: int) -> int:
    take, folder = planned.take, root / "takes" / planned.name
    names = {"ego": EGO_FILE} | {camera: f"frame_aligned_videos/{camera}.mp4" for camera in EXO_CAMERAS}
    times_s = [number / fps for number in range(round(take.take_s * fps))]
    scenes = [scene_at(take, time_s) for time_s in times_s]
    for view, name in names.items():
        frames = (
            draw(take, scene, time_s, view, size_px=size_px) for scene, time_s in zip(scenes, times_s, strict=True)
        )
        video.write(folder / name, frames, fps=fps, size_px=size_px)
    return len(names)


def _film_cut(cut: Cut, *, size_px: int) -> int:
    count = round((cut.end_s - cut.start_s) * cut.fps)
    times_s = (cut.start_s + number / cut.fps for number in range(count))
    frames = (draw(cut.take, scene_at(cut.take, time_s), time_s, "ego", size_px=size_px) for time_s in times_s)
    video.write(cut.path, frames, fps=cut.fps, size_px=size_px)
    return 1
