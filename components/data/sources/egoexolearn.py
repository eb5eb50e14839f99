"""EgoExoLearn fine annotations on disk -> rows of `records.INTERVAL`.

File: annotations/fine_annotation_trainval_en.csv (OpenGVLab/EgoExoLearn annotations/README.md). A row is joined to the
video of its view whose take id is the row's `video_uid`. One row in is one line of a CSV.

annotations/fine_annotation_test.csv, where it is there, has intervals without narration, and calls the id
`annotation_id`: nothing can be asked or said about them, so that each of its lines is a reject `no_narration`.
"""

from __future__ import annotations

from functools import partial
from math import isfinite
from pathlib import Path

import pandas as pd

from components.data import checking
from components.data.judging import clean
from components.data.reading import delimited
from components.records import content_id

SOURCE = "egoexolearn"
FILE = "annotations/fine_annotation_trainval_en.csv"
COLUMNS = ("video_uid", "annotation_uid", "subset", "view", "start_sec", "end_sec", "narration_en")
TEST_FILE = "annotations/fine_annotation_test.csv"
TEST_COLUMNS = ("video_uid", "annotation_id", "subset", "view", "start_sec", "end_sec")
SPLITS = {"train": "train", "val": "test"}

reject = partial(checking.reject, SOURCE)


def read(root: Path, *, videos: list[dict]) -> tuple[dict[str, list[dict]], list[dict]]:
    """Read the CSV below `root`, and that of the test split where it is there.

    Args:
        videos: rows of `records.VIDEO`.

    Returns:
        tables {"intervals"} and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: the file or a column is missing.
    """
    path = root / FILE
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; download EgoExoLearn's annotations, make the miniature world (`dvc repro world`), or "
            "mend sources.egoexolearn in params/data.yaml"
        )
    known: dict[tuple[str, str], dict] = {}
    for video in videos:
        known.setdefault((video["take_id"], video["view"]), video)
    intervals: list[dict] = []
    rejects: list[dict] = []
    for row in _rows(path, COLUMNS, rejects):
        read_row = _interval(row, known.get((row["video_uid"], row["view"])))
        (rejects if "reason" in read_row else intervals).append(read_row)
    if (root / TEST_FILE).is_file():
        for row in _rows(root / TEST_FILE, TEST_COLUMNS, rejects):
            span = f"{row['subset']}, {row['view']}, [{row['start_sec']}, {row['end_sec']})"
            rejects.append(reject(f"{row['video_uid']}/{row['annotation_id']}", "no_narration", span))
    return {"intervals": intervals}, rejects


def _rows(path: Path, columns: tuple[str, ...], rejects: list[dict]) -> list[dict[str, str]]:
    """Give the lines that can be read, their cells clean, and add the others to `rejects`."""
    rows: list[dict[str, str]] = []
    for frame, unread in delimited(path, columns, source=SOURCE):
        rejects += unread.to_dict("records")
        rows += pd.DataFrame({name: clean(frame[name]) for name in columns}).to_dict("records")
    return rows


def _interval(row: dict[str, str], video: dict | None) -> dict:
    """Give the interval of a CSV row, or its reject."""
    refuse = partial(reject, f"{row['video_uid']}/{row['annotation_uid']}")
    if video is None:
        return refuse("no_video", row["view"])
    if SPLITS.get(row["subset"]) != video["split"]:
        return refuse("split_conflict", f"{row['subset']}, the take is in {video['split']}")
    try:
        start_s, end_s = float(row["start_sec"]), float(row["end_sec"])
    except ValueError:
        return refuse("not_a_number", f"{row['start_sec']!r}, {row['end_sec']!r}")
    span = f"[{start_s}, {end_s}) in {video['duration_s']:g} s"
    if not isfinite(start_s) or not isfinite(end_s):
        return refuse("not_a_number", span)
    if start_s >= end_s:
        return refuse("end_before_start", span)
    if start_s < 0 or end_s > video["duration_s"]:
        return refuse("outside_video", span)
    if not row["narration_en"]:
        return refuse("empty_text", span)
    return {
        "interval_id": content_id(SOURCE, row["video_uid"], row["annotation_uid"]),
        "source": SOURCE,
        "take_id": video["take_id"],
        "video_id": video["video_id"],
        "start_s": start_s,
        "end_s": end_s,
        "text": row["narration_en"],
        "split": video["split"],
    }
