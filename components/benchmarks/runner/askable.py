"""Whether a checkpoint can be asked a benchmark at all: told by its files, before a model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.benchmarks.runner.films import folder_of, with_films
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.sample import Benchmark, Loaded


def questions(
    name: str, benchmark: Benchmark, roots: Sequence[Path], nearest: Callable[..., list[str]] | None = None
) -> tuple[Path, Loaded]:
    """Return the folder of a benchmark's files and what they hold.

    Args:
        name: of the benchmark.
        benchmark: its description.
        roots: folders that hold files and films.
        nearest: chooses wrong options where the files have none; None for the benchmark's own way.

    Raises:
        ValueError: no answer of a checkpoint can be scored, or no file is there or none that can be read.
    """
    if METRICS[benchmark.metric].read is None:
        raise ValueError(
            f"{name} ranks captions by features of clips, and no answer of a checkpoint is such a ranking; allowed "
            "are the other benchmarks; --dry-run shows what guesses score on this one"
        )
    root = folder_of(roots, name, benchmark.files)
    if nearest and benchmark.load_alike:
        return root, benchmark.load_alike(root, nearest)
    return root, benchmark.load(root)


def problems(benchmarks: Mapping[str, Benchmark], roots: Sequence[Path], *, shows_films: bool) -> dict[str, str]:
    """Return the benchmarks that cannot be asked: name -> why.

    Args:
        benchmarks: by name.
        roots: folders that hold files and films.
        shows_films: whether films are needed; it is only looked whether they are there.
    """
    found = {}
    for name, benchmark in benchmarks.items():
        try:
            root, loaded = questions(name, benchmark, roots)
        except ValueError as error:  # the others can be asked
            found[name] = str(error)
            continue
        if shows_films:
            loaded = with_films(loaded, root, n_frames=None)
        if not loaded.samples:
            found[name] = f"{name}: none of {loaded.rows} rows in {root} can be asked: {loaded.reasons}"
    return found
