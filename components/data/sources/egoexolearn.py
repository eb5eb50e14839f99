"""EgoExoLearn on disk -> rows of `records.VIDEO` and `records.INTERVAL`.

Files: annotations/fine_annotation_trainval_en.csv (OpenGVLab/EgoExoLearn annotations/README.md), and where that is not
there association_benchmark/annotations/{ego,exo}_train.csv, the narrations of its association benchmark. The films are
`<video_uid>.mp4`, in the folder videos or, as the full-size release lays them, in the folder of the dataset itself.

The demonstration that a wearer followed was filmed at another time and place: every film is a take of its own. A
`video_uid` may also be the id of another source's take; its row is then on that take's video of the same view.

annotations/fine_annotation_test.csv, where it is there, has intervals without narration, and calls the id
`annotation_id`: nothing can be asked or said about them, so that each of its rows is a reject `no_narration`, and no
video is listed for them.

One row in is one film that a row names, or one row of a CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import clean
from components.data.sources.shared.readers import read_delimited
from components.data.sources.shared.rejecting import Tables
from components.data.sources.shared.take_videos import interval_row, video_row
from components.video import Probe

SOURCE = "egoexolearn"
FILE = "annotations/fine_annotation_trainval_en.csv"
COLUMNS = ("video_uid", "annotation_uid", "subset", "view", "start_sec", "end_sec", "narration_en")
ASSOCIATION_FILE = "association_benchmark/annotations/{}_train.csv"
ASSOCIATION_COLUMNS = ("video_uid", "annotation_id", "start_sec", "end_sec", "narration_en")
TEST_FILE = "annotations/fine_annotation_test.csv"
TEST_COLUMNS = ("video_uid", "annotation_id", "subset", "view", "start_sec", "end_sec")
SPLITS = {"train": "train", "val": "test"}
VIEWS = ("ego", "exo")
FILMS = ("videos/{}.mp4", "{}.mp4")

reject = partial(json_fields.reject_row, SOURCE)
Find = Callable[[str, str], dict | None]  # from the uid and the view to the columns of a video


class _Csv(NamedTuple):
    """A CSV with narrations, and what all of its rows have in common but do not say."""

    path: Path
    columns: tuple[str, ...]
    constant: dict[str, str]


def read(root: Path, *, videos: pa.Table, probe: Callable[..., Probe]) -> Iterator[Tables]:
    """Read the CSVs below `root` in batches.

    Args:
        root: folder of the source.
        videos: columns of `records.VIDEO`, among them `take_id` and `view`, of other sources; the first video of a
            take's view counts.
        probe: as `video.probe`.

    Yields:
        tables {"videos"}, then tables {"intervals"}, and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file or a column is missing.
    """
    narrated = _narrated(root)
    elsewhere = json_fields.row_lookup(videos, "take_id", "view")
    own: dict[tuple[str, str], dict] = {}
    yield from json_fields.in_batches(_videos(narrated, elsewhere, own, root, probe), "videos")

    def find(uid: str, view: str) -> dict | None:
        return own.get((uid, view)) or elsewhere(uid, view)

    for csv in narrated:
        yield from _tables(csv, lambda row: _interval(row, find(row["video_uid"], row["view"])))
    if (root / TEST_FILE).is_file():
        yield from _tables(_Csv(root / TEST_FILE, TEST_COLUMNS, {}), _unlabelled)


def _narrated(root: Path) -> list[_Csv]:
    if (root / FILE).is_file():
        return [_Csv(root / FILE, COLUMNS, {})]
    found = [
        _Csv(root / ASSOCIATION_FILE.format(view), ASSOCIATION_COLUMNS, {"view": view, "subset": "train"})
        for view in VIEWS
    ]
    found = [csv for csv in found if csv.path.is_file()]
    if not found:
        raise ValueError(
            f"{root / FILE} is missing; download EgoExoLearn's annotations, make the miniature world (`dvc repro "
            "world`), or mend sources.egoexolearn in params/data.yaml"
        )
    return found


def _rows(csv: _Csv) -> Iterator[tuple[list[dict[str, str]], pd.DataFrame]]:
    """Return the rows of a CSV, with cleaned cells, and the rejects of those that cannot be read, in batches."""
    for frame, unread in read_delimited(csv.path, csv.columns, source=SOURCE, batch_rows=json_fields.BATCH_ROWS):
        rows = pd.DataFrame({name: clean(frame[name]) for name in csv.columns})
        yield rows.rename(columns={"annotation_id": "annotation_uid"}).assign(**csv.constant).to_dict("records"), unread


def _videos(
    narrated: list[_Csv],
    elsewhere: Find,
    own: dict[tuple[str, str], dict],
    root: Path,
    probe: Callable[..., Probe],
) -> Iterator[dict]:
    """Return the video or the reject of each film that a row names; `own` gets the videos.

    The first row of a film tells its view and its split.
    """
    seen: set[str] = set()
    for row in (row for csv in narrated for rows, _ in _rows(csv) for row in rows):
        uid, view, split = row["video_uid"], row["view"], SPLITS.get(row["subset"])
        if uid in seen or view not in VIEWS or split is None or elsewhere(uid, view):
            continue
        seen.add(uid)
        of = {"take_id": uid, "camera_id": view, "view": view, "split": split}
        video = video_row(SOURCE, of, [film.format(uid) for film in FILMS], root=root, probe=probe)
        if "reason" not in video:
            own[uid, view] = video
        yield video


def _tables(csv: _Csv, row_or_reject: Callable[[dict[str, str]], dict]) -> Iterator[Tables]:
    for rows, unread in _rows(csv):
        yield {}, unread
        yield from json_fields.in_batches(map(row_or_reject, rows), "intervals")


def _unlabelled(row: dict[str, str]) -> dict:
    span = f"{row['subset']}, {row['view']}, [{row['start_sec']}, {row['end_sec']})"
    return reject(f"{row['video_uid']}/{row['annotation_uid']}", "no_narration", span)


def _interval(row: dict[str, str], video: dict | None) -> dict:
    """Return the interval of a CSV row, or its reject."""
    names = (row["video_uid"], row["annotation_uid"])
    if video is None:
        return reject("/".join(names), "no_video", row["view"])
    if SPLITS.get(row["subset"]) != video["split"]:
        return reject("/".join(names), "split_conflict", f"{row['subset']}, the video is in {video['split']}")
    return interval_row(SOURCE, names, video, (row["start_sec"], row["end_sec"]), row["narration_en"])
