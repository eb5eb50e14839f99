"""Panda-70M on disk -> rows of `records.CAPTION`.

Files: panda70m_*.csv, any of them (training in three sizes, validation, testing: our test). A line is a source video;
its columns `timestamp` (`[['0:01:20.880', '0:01:23.983'], ...]`) and `caption` are Python literals of equal length. The
media root holds `<videoID>.mp4`. A clip that stands in two files is a repeated id. One row in is one clip, or one line
whose lists cannot be read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import captions, clean, clock_to_seconds, file_names
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables, reject_rows

SOURCE = "panda70m"
FILES = "panda70m_*.csv"
LINES = 10_000  # of some twenty clips each


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each clip read is in exactly one of them.

    Raises:
        ValueError: there is no file, or a column is missing.
    """
    for path in find_files(root, FILES, source=SOURCE):
        split = "train" if path.name.startswith("panda70m_training") else "test"
        for rows, unread in read_delimited(path, ["videoID", "timestamp", "caption"], source=SOURCE, batch_rows=LINES):
            yield {}, unread
            clips, rejects = _clips(rows, path.name)
            yield {}, rejects
            start, end = clean(clips["start_s"]), clean(clips["end_s"])
            frame = clips.assign(
                row_id=clips["video"] + "/" + start + "/" + end,
                path=file_names(clips["video"], ".mp4"),
                media="video",
                start_s=start,
                end_s=end,
                view="exo",
                split=split,
            )
            yield captions(frame, source=SOURCE, read_time=clock_to_seconds)


def _clips(rows: pd.DataFrame, file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out the clips of each line, and reject lines whose lists are no lists or of different lengths."""
    made, refused = [], []
    for line, video, *cells in zip(
        rows["line"], clean(rows["videoID"]), rows["timestamp"], rows["caption"], strict=True
    ):
        times, texts = map(_list, cells)
        if times is None or texts is None:
            refused.append((f"{file}:{line}", "bad_list", video))
        elif len(times) != len(texts):
            refused.append((f"{file}:{line}", "lists_differ", f"{video}: {len(times)} times, {len(texts)} captions"))
        elif not times:
            refused.append((f"{file}:{line}", "no_clips", video))
        else:
            spans = [time if isinstance(time, list) and len(time) == 2 else (None, None) for time in times]
            made += [(video, *span, text) for span, text in zip(spans, texts, strict=True)]
    ids, reasons, details = zip(*refused, strict=True) if refused else ((), (), ())
    clips = pd.DataFrame(made, columns=["video", "start_s", "end_s", "text"], dtype=object)
    return clips.assign(video=clips["video"].astype("str")), reject_rows(SOURCE, ids, reasons, details)


def _list(cell: str) -> list | None:
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, list) else None
