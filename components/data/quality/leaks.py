"""Samples that stand twice, and training samples of videos that a benchmark asks about."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

NEAR_IOU = 0.8  # of the spans of two samples that say the same of one video
HELD_OUT = "held-out takes"
_SAME = ["corpus", "task", "question_type", "video_id", "question", "answer"]


def near_duplicates(samples: pd.DataFrame) -> pd.Series:
    """Mark each sample that an earlier one of the same video, question and answer nearly repeats.

    Args:
        samples: `corpus, task, question_type, video_id, question, answer, start_s, end_s`.
    """
    rows = samples[["start_s", "end_s"]].assign(same=samples.groupby(_SAME, sort=False).ngroup())
    rows = rows.sort_values(["same", "start_s", "end_s"], kind="stable")
    before = rows.shift()
    overlap_s = rows["end_s"].clip(upper=before["end_s"]) - rows["start_s"]
    union_s = rows["end_s"].clip(lower=before["end_s"]) - before["start_s"]
    return ((rows["same"] == before["same"]) & (overlap_s >= NEAR_IOU * union_s)).reindex(samples.index)


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


def contaminated(
    samples: pd.DataFrame, shown: pd.DataFrame, videos: pd.DataFrame, lists: dict[str, set[str]]
) -> pd.DataFrame:
    """Mark training samples whose take or video stands in a benchmark, whatever they ask about it.

    Args:
        samples: `take_id` and `split`.
        shown: each video of each sample, its exo view too: `row` (in the index of `samples`), `video_id`.
        videos: the table of components/records.py.
        lists: benchmark -> ids, names and paths of its videos and takes. The held-out takes are always one.

    Returns:
        A column of True and False for each benchmark, indexed as `samples`.
    """
    paths = videos["path"].map(PurePosixPath)
    names = videos[["video_id", "take_id", "take_name", "path"]].assign(stem=paths.map(lambda path: path.stem))
    held_out = pd.concat(
        [videos.loc[videos["split"] == "test", "take_id"], samples.loc[samples["split"] == "test", "take_id"]]
    )
    of_held_out = names["take_id"].isin(held_out)
    # two sources may hold a video under ids of their own
    known = {HELD_OUT: set(held_out) | set(names.loc[of_held_out, "take_name"])} | lists
    marks = {}
    for name, listed in known.items():
        banned = names.loc[names.isin(listed).any(axis=1), "video_id"]
        rows = shown.loc[shown["video_id"].isin(banned), "row"]
        stands = samples["take_id"].isin(listed) | samples.index.isin(rows)
        marks[name] = stands & (samples["split"] == "train")
    return pd.DataFrame(marks, index=samples.index)
