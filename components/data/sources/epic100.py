"""EPIC-KITCHENS-100 on disk -> rows of `records.CAPTION`.

Files: EPIC_100_train.csv and EPIC_100_validation.csv (epic-kitchens/epic-kitchens-100-annotations README.md);
validation is our test. `narration` is plain text (only the noun columns are colon-reversed, `bag:garbage`). Times are
HH:MM:SS.ss; frame numbers assume the official extraction and are not read. The media root holds
`<participant>/videos/<video>.MP4`. One row in is one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import Tables, captions, clean, clock_to_seconds, file_names, join_paths
from components.data.sources.shared.readers import find_files, read_delimited

SOURCE = "epic100"
FILES = {"EPIC_100_train.csv": "train", "EPIC_100_validation.csv": "test"}
COLUMNS = ("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "narration")


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: a file or a column is missing.
    """
    for name, split in FILES.items():
        (path,) = find_files(root, name, source=SOURCE)
        for rows, unread in read_delimited(path, COLUMNS, source=SOURCE):
            yield {}, unread
            frame = rows.assign(
                row_id=clean(rows["narration_id"]),
                path=join_paths(clean(rows["participant_id"]), "videos/" + file_names(clean(rows["video_id"]), ".MP4")),
                media="video",
                start_s=rows["start_timestamp"],
                end_s=rows["stop_timestamp"],
                text=rows["narration"],
                view="ego",
                split=split,
            )
            yield captions(frame, source=SOURCE, read_time=clock_to_seconds)
