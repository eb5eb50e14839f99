"""Make the films of the miniature world: views of scripted takes, as h264 or VP9 files."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from rich.progress import Progress

from components import video
from components.world.render import draw
from components.world.script import Take, scene_at

PROCESSES = 2


@dataclass(frozen=True)
class Film:
    """A film to be made: one view ("ego", "cam01" or "cam02") of `[start_s, end_s)` of a script, at `fps` a second."""

    path: Path
    take: Take
    start_s: float
    end_s: float
    fps: int | Fraction
    view: str = "ego"


def film_all(films: Sequence[Film], *, size_px: int, progress: Progress) -> None:
    """Make films in PROCESSES processes.

    Args:
        films: where each goes and what it shows.
        size_px: side of the square frames.
        progress: shows how many are done.
    """
    task = progress.add_task("films", total=len(films))
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for _ in pool.imap_unordered(partial(make, size_px=size_px), films, chunksize=8):
            progress.advance(task)


def make(film: Film, *, size_px: int) -> None:
    """Draw the frames of a film and write its file."""
    count = round((film.end_s - film.start_s) * film.fps)
    times_s = (film.start_s + float(number / film.fps) for number in range(count))
    frames = (draw(film.take, scene_at(film.take, at_s), at_s, film.view, size_px=size_px) for at_s in times_s)
    video.write(film.path, frames, fps=film.fps, size_px=size_px)
