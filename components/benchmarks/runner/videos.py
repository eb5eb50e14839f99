"""The videos of benchmarks, listed once: what nothing may be trained on (components/data/quality/contamination.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.benchmarks.runner.films import folder_of
from components.benchmarks.shared.sample import Benchmark


def write_lists(benchmarks: Mapping[str, Benchmark], roots: Sequence[Path], folder: Path) -> dict[str, int]:
    """Write a file with a video on each line for every benchmark whose files are there.

    Args:
        benchmarks: by name.
        roots: folders that hold their files.
        folder: that takes `<name>.txt`; lists of other benchmarks in it stay.

    Returns:
        Name -> how many videos it lists.
    """
    written = {}
    for name, benchmark in benchmarks.items():
        try:
            loaded = benchmark.load(folder_of(roots, name, benchmark.files))
        except ValueError:  # its files are not there
            continue
        videos = sorted({sample.video for sample in loaded.samples})
        lines = [f"# videos of {benchmark.title}: {benchmark.origin}", *videos]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        written[name] = len(videos)
    return written
