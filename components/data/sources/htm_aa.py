"""HTM-AA on disk -> rows of `records.NARRATION` (`point_narrations`).

File: htm_aa_v1.csv, `vid,timestamp,text` (TengdaHan/TemporalAlignNet htm_aa/readme.md): a sentence of the speech of a
HowTo100M video at a whole second. There is no ego view, so `ego_visible` is null. One row in is one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import clean, narrations
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables

SOURCE = "htm_aa"
FILE = "htm_aa_v1.csv"
COLUMNS = ("vid", "timestamp", "text")
VIDEO = "videos/{}.mp4"  # where the step `funnel` looks for the HowTo100M file of a vid, below the source's folder


def read(root: Path) -> Iterator[Tables]:
    """Read the file below `root` in batches.

    Yields:
        tables {"point_narrations"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: the file or a column is missing.
    """
    (path,) = find_files(root, FILE, source=SOURCE)
    for rows, unread in read_delimited(path, COLUMNS, source=SOURCE):
        yield {}, unread
        video = clean(rows["vid"])
        frame = rows.assign(
            row_id=video + "/" + clean(rows["timestamp"]) + "/" + clean(rows["text"]),
            take_id=video,
            annotator_id="",
            time_s=rows["timestamp"],
            ego_visible=None,
        )
        yield narrations(frame, source=SOURCE)
