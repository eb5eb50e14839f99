"""Contamination: training samples of takes and videos that a benchmark asks about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

HELD_OUT = "held-out takes"
# the videos of public benchmarks, a file each: `python -m flows.benchmark --list-videos` writes it
KNOWN = Path(__file__).parent / "benchmark_videos"


def read_list(name: str, path: Path) -> set[str]:
    """Read the videos or takes of a benchmark: one on each line, by id, name or path; `#` begins a comment.

    Raises:
        ValueError: the file cannot be read as text or names nothing.
    """
    try:
        lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"quality.benchmarks.{name}: {path}: {error}; allowed is a text file with a video or take on each line; "
            "mend params/data.yaml"
        ) from error
    listed = set(filter(None, lines))
    if not listed:
        raise ValueError(
            f"quality.benchmarks.{name}: {path} names no video; put one on each line, or take the list out of "
            "params/data.yaml"
        )
    return listed


def known_lists() -> dict[str, set[str]]:
    """Read the lists of public benchmarks that come with the project: benchmark -> names of its videos."""
    return {path.stem: read_list(path.stem, path) for path in sorted(KNOWN.glob("*.txt"))}


def lists(given: Mapping[str, Path | None], root: Path) -> dict[str, set[str]]:
    """Read the lists of public benchmarks that come with the project, and those of the parameters.

    Args:
        given: `quality.benchmarks`, which takes the place of a list of the same name; None leaves that out.
        root: that the paths of `given` are relative to.

    Returns:
        Benchmark -> names of its videos.

    Raises:
        ValueError: a list is missing or broken, or one that the project does not have is left out.
    """
    known = known_lists()
    left_out = {name for name, path in given.items() if path is None}
    if unknown := sorted(left_out - known.keys()):
        raise ValueError(
            f"quality.benchmarks: null came for {unknown}, allowed for {sorted(known)}; mend params/data.yaml"
        )
    own = {name: read_list(name, root / path) for name, path in given.items() if path is not None}
    return {name: listed for name, listed in known.items() if name not in left_out} | own


def benchmark_videos(
    videos: pd.DataFrame, held_out_takes: Iterable[str], lists: dict[str, set[str]]
) -> dict[str, tuple[set, set]]:
    """Find the takes and videos that no training sample may be of.

    Args:
        videos: the table of components/records/schemas.py.
        held_out_takes: takes of held-out samples.
        lists: benchmark -> ids, names and paths of its videos and takes.

    Returns:
        By benchmark, the takes (and other names) that it lists, and the ids of its videos. HELD_OUT is always one of
        them: the takes of `held_out_takes` and of the test split.
    """
    paths = videos["path"].map(PurePosixPath)
    names = videos[["video_id", "take_id", "take_name", "path"]].assign(stem=paths.map(lambda path: path.stem))
    held_out = {*videos.loc[videos["split"] == "test", "take_id"], *held_out_takes}
    of_held_out = names["take_id"].isin(held_out)
    # two sources may hold a video under ids of their own
    known = {HELD_OUT: held_out | set(names.loc[of_held_out, "take_name"])} | lists
    return {
        name: (listed, set(names.loc[names.isin(listed).any(axis=1), "video_id"])) for name, listed in known.items()
    }


def contaminated(samples: pd.DataFrame, shown: pd.DataFrame, of_benchmarks: dict[str, tuple[set, set]]) -> pd.DataFrame:
    """Mark training samples whose take or video stands in a benchmark, whatever they ask about it.

    Args:
        samples: `take_id` and `split`.
        shown: each video of each sample, its exo view too: `row` (in the index of `samples`), `video_id`.
        of_benchmarks: as `benchmark_videos` returns it.

    Returns:
        A column of True and False for each benchmark, indexed as `samples`.
    """
    marks = {}
    for name, (listed, video_ids) in of_benchmarks.items():
        rows = shown.loc[shown["video_id"].isin(video_ids), "row"]
        stands = samples["take_id"].isin(listed) | samples.index.isin(rows)
        marks[name] = stands & (samples["split"] == "train")
    return pd.DataFrame(marks, index=samples.index)
