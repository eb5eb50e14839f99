"""InternVid on disk -> rows of `records.CAPTION`.

Files: InternVid*.jsonl, any of them, one clip a line: `YoutubeID`, `Start_timestamp` and `End_timestamp` (HH:MM:SS.fff
of the video), `Caption` and two scores, which are not read. The media root holds `<YoutubeID>.mp4`. One row in is one
line; a clip that stands in two files is a repeated id.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import captions, clean, clock_to_seconds, file_names
from components.data.sources.shared.readers import find_files, read_json_lines
from components.data.sources.shared.rejecting import Tables

SOURCE = "internvid"
FILES = "InternVid*.jsonl"
COLUMNS = ("YoutubeID", "Start_timestamp", "End_timestamp", "Caption")


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: there is no file, or a member is missing.
    """
    for path in find_files(root, FILES, source=SOURCE):
        for rows, unread in read_json_lines(path, COLUMNS, source=SOURCE):
            yield {}, unread
            ids, start, end = (clean(rows[name]) for name in COLUMNS[:3])
            frame = rows.assign(
                row_id=ids + "/" + start + "/" + end,
                path=file_names(ids, ".mp4"),
                media="video",
                start_s=start,
                end_s=end,
                text=rows["Caption"],
                view="exo",
                split="train",
            )
            yield captions(frame, source=SOURCE, read_time=clock_to_seconds)
