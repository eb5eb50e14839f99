"""EPIC-KITCHENS-100 on disk -> rows of `records.VIDEO` and `records.NARRATION`.

Files: EPIC_100_train.csv and EPIC_100_validation.csv (epic-kitchens/epic-kitchens-100-annotations README.md);
validation is our test. Beside them lies a folder for each participant, as the official download has it, with films
`videos/<video>.MP4` or the released images `rgb_frames/<video>/frame_0000000001.jpg`, whose rate is that of
shared/epic_frames.py. Images come in tar files, which have to be unpacked; where EPIC_100_video_info.csv is there, it
tells whether they are as many as they should be (those first released of P01_109 and P27_103 were not, README.md
"Erratum").

`narration` is plain text without a subject ("take plate"; only the noun columns are colon-reversed, `bag:garbage`), and
the camera wearer acts. Times are HH:MM:SS.ss. `start_frame` and `stop_frame` count the extracted images, not the frames
of the film, and are not read. `narration_timestamp` is when the words were spoken: in 4,505 of 9,598 lines of
retrieval_annotations/EPIC_100_retrieval_test.csv that is outside the action, by up to 431 s. The time of a narration is
the moment of its action nearest to it, and the start of the action where the cell is empty.

One row in is one line, or one video that the lines name; of EPIC_100_video_info.csv, a line that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from components import records
from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import clean, clock_to_seconds, seconds, with_ids
from components.data.sources.shared.epic_frames import images_per_s
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables, reject_where
from components.data.sources.shared.take_videos import video_row
from components.video import Probe

SOURCE = "epic100"
FILES = {"EPIC_100_train.csv": "train", "EPIC_100_validation.csv": "test"}
COLUMNS = (
    "narration_id",
    "participant_id",
    "video_id",
    "narration_timestamp",
    "start_timestamp",
    "stop_timestamp",
    "narration",
)
FIRST_IMAGE = "frame_0000000001.jpg"
INFO_FILE, INFO_COLUMNS = "EPIC_100_video_info.csv", ("video_id", "duration")
MOST_OFF_S = 1.0  # released images are up to a quarter of a second more than their film

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, probe: Callable[..., Probe]) -> Iterator[Tables]:
    """Read the release below `root`; its lines, 77,000 of them, stay in memory.

    Args:
        root: folder of the release.
        probe: as `video.probe`.

    Yields:
        tables {"videos"}, then tables {"narrations"}, and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file or a column is missing.
    """
    paths = {split: find_files(root, name, source=SOURCE)[0] for name, split in FILES.items()}
    lines = []
    for split, path in paths.items():
        for frame, unread in read_delimited(path, COLUMNS, source=SOURCE):
            yield {}, unread
            cells = {name: clean(frame[name]) for name in COLUMNS}
            lines.append(pd.DataFrame(cells).assign(split=split))
    listed = pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=[*COLUMNS, "split"], dtype="str")
    lengths: dict[str, float] = {}
    if (root / INFO_FILE).is_file():
        for frame, unread in read_delimited(root / INFO_FILE, INFO_COLUMNS, source=SOURCE):
            yield {}, unread
            lengths |= dict(zip(clean(frame["video_id"]), seconds(frame["duration"]), strict=True))
    rows = list(_videos(listed, lengths, root, probe))
    yield from json_fields.in_batches(rows, "videos")
    yield _narrations(listed, {row["take_id"]: row["duration_s"] for row in rows if "reason" not in row})


def _videos(lines: pd.DataFrame, lengths: dict[str, float], root: Path, probe: Callable[..., Probe]) -> Iterator[dict]:
    """Return the row or the reject of each video that has a name; `lengths` are those of the films, in seconds."""
    named = lines[(lines["video_id"] != "") & (lines["participant_id"] != "")]
    for video_id, of_video in named.groupby("video_id"):
        places = of_video[["participant_id", "split"]].drop_duplicates()
        if len(places) > 1:
            yield reject(str(video_id), "in_two_splits", places.to_numpy().tolist())
        else:
            yield _video(str(video_id), *places.iloc[0], lengths.get(str(video_id), np.nan), root, probe)


def _video(
    video_id: str,
    participant: str,
    split: str,
    film_s: float,
    root: Path,
    probe: Callable[..., Probe],
) -> dict:
    """Return the row or the reject of a video, which is a film or a folder of images.

    Args:
        video_id: of the video.
        participant: who wore the camera.
        split: of the video, ours.
        film_s: how long its film is, seconds; NaN where no file says it.
        root: folder of the release.
        probe: as in `read`.
    """
    film, images = f"{participant}/videos/{video_id}.MP4", f"{participant}/rgb_frames/{video_id}"
    of = {"take_id": video_id, "camera_id": "ego", "view": "ego", "split": split}
    row = video_row(SOURCE, of, (film, images), root=root, probe=probe, folder_fps=images_per_s(video_id))
    refuse = partial(reject, video_id)
    if row.get("reason") == "file_missing" and (root / f"{images}.tar").is_file():
        return refuse("frames_in_archive", f"unpack {images}.tar")
    if row.get("path") == images:
        if not (root / images / FIRST_IMAGE).is_file():
            return refuse("frames_not_from_one", f"{images} has no {FIRST_IMAGE}")
        if abs(row["duration_s"] - film_s) > MOST_OFF_S:
            return refuse("wrong_frame_count", f"{images} lasts {row['duration_s']:g} s, its film {film_s:g} s")
    return row


def _narrations(lines: pd.DataFrame, duration_s: dict[str, float]) -> Tables:
    """Return the narrations of videos, whose lengths are given by id; a span that goes beyond its video ends there."""
    start_s, stop_s = clock_to_seconds(lines["start_timestamp"]), clock_to_seconds(lines["stop_timestamp"])
    spoken_s = clock_to_seconds(lines["narration_timestamp"])
    length_s = lines["video_id"].map(duration_s).astype("float64")
    end_s = np.minimum(stop_s, length_s)
    made = lines.assign(
        row_id=lines["narration_id"],
        source=SOURCE,
        take_id=lines["video_id"],
        annotator_id=lines["participant_id"],
        time_s=spoken_s.fillna(start_s).clip(start_s, end_s),
        start_s=start_s,
        end_s=end_s,
        text=lines["narration"],
        subject="C",
        ego_visible=True,
        best_exo=None,
        unsure=False,
    )
    masks = {
        "no_id": made["row_id"] == "",
        "no_video": length_s.isna(),
        "not_a_time": start_s.isna() | stop_s.isna() | (spoken_s.isna() & (lines["narration_timestamp"] != "")),
        "end_before_start": start_s > stop_s,
        "zero_span": start_s == stop_s,
        "outside_video": start_s >= length_s,
        "empty_text": made["text"] == "",
    }
    shown = ["video_id", "start_timestamp", "stop_timestamp", "narration"]
    kept, rejects = reject_where(made, masks, source=SOURCE, detail=shown)
    return {"narrations": with_ids(kept, "narration_id", records.NARRATION)}, rejects
