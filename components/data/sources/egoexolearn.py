"""EgoExoLearn fine annotations on disk -> rows of `records.INTERVAL`.

File: annotations/fine_annotation_trainval_en.csv (OpenGVLab/EgoExoLearn annotations/README.md). A row is joined to the
video of its view whose take id is the row's `video_uid`. One row in is one line of a CSV.

annotations/fine_annotation_test.csv, where it is there, has intervals without narration, and calls the id
`annotation_id`: nothing can be asked or said about them, so that each of its lines is a reject `no_narration`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import isfinite
from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import Tables, clean
from components.data.sources.shared.readers import read_delimited
from components.records import content_id

SOURCE = "egoexolearn"
FILE = "annotations/fine_annotation_trainval_en.csv"
COLUMNS = ("video_uid", "annotation_uid", "subset", "view", "start_sec", "end_sec", "narration_en")
TEST_FILE = "annotations/fine_annotation_test.csv"
TEST_COLUMNS = ("video_uid", "annotation_id", "subset", "view", "start_sec", "end_sec")
SPLITS = {"train": "train", "val": "test"}

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, videos: pa.Table) -> Iterator[Tables]:
    """Read the CSV below `root`, and that of the test split where it is there, in batches.

    Args:
        root: folder of the source.
        videos: columns of `records.VIDEO`, among them `take_id` and `view`; the first video of a take's view counts.

    Yields:
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
    find = json_fields.row_lookup(videos, "take_id", "view")
    yield from _tables(path, COLUMNS, lambda row: _interval(row, find(row["video_uid"], row["view"])))
    if (root / TEST_FILE).is_file():
        yield from _tables(root / TEST_FILE, TEST_COLUMNS, _unlabelled)


def _tables(path: Path, columns: tuple[str, ...], row_or_reject: Callable[[dict[str, str]], dict]) -> Iterator[Tables]:
    """Clean the cells of each line, make its row or reject, and reject the lines that cannot be read."""
    for frame, unread in read_delimited(path, columns, source=SOURCE, batch_rows=json_fields.BATCH_ROWS):
        yield {}, unread
        rows = pd.DataFrame({name: clean(frame[name]) for name in columns}).to_dict("records")
        yield from json_fields.in_batches(map(row_or_reject, rows), "intervals")


def _unlabelled(row: dict[str, str]) -> dict:
    span = f"{row['subset']}, {row['view']}, [{row['start_sec']}, {row['end_sec']})"
    return reject(f"{row['video_uid']}/{row['annotation_id']}", "no_narration", span)


def _interval(row: dict[str, str], video: dict | None) -> dict:
    """Return the interval of a CSV row, or its reject."""
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
