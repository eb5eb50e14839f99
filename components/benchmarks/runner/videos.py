"""The videos of benchmarks, listed once: what nothing may be trained on (components/data/quality/contamination.py)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.benchmarks.runner.films import folder_of
from components.benchmarks.shared.sample import Benchmark

logger = logging.getLogger(__name__)


def write_lists(benchmarks: Mapping[str, Benchmark], roots: Sequence[Path], folder: Path) -> dict[str, int]:
    """Write a file with a video on each line for every benchmark whose files are there and name its recordings.

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
            root = folder_of(roots, name, benchmark.files)
            loaded = benchmark.load(root)
        except ValueError:  # its files are not there
            continue
        if benchmark.listed_with and not (root / benchmark.listed_with).is_file():
            logger.warning("%s is not listed: only %s names its recordings", name, root / benchmark.listed_with)
            continue
        videos = sorted({benchmark.listed_as(sample.video) for sample in loaded.samples})
        lines = [f"# videos of {benchmark.title}: {benchmark.origin}", *videos]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        written[name] = len(videos)
    return written
