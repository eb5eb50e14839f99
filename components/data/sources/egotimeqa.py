"""EgoTimeQA on disk -> rows of `records.QUESTION`.

File: data/unified/annotations.EgoTimeQA.json (Becomebright/GroundVQA utils/generate_open_qa/merge.py). Times are
seconds of the NLQ clip that `video_id` names; the frames beside them are rescaled and not read. `wrong_answers` make
the closed question. The media root holds `<video_id>.mp4` (Ego4D clips). One row in is one element of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import clean, file_names, joined, questions
from components.data.sources.shared.readers import find_files, read_json_records
from components.data.sources.shared.rejecting import Tables

SOURCE = "egotimeqa"
FILE = "data/unified/annotations.EgoTimeQA.json"
COLUMNS = ("video_id", "question", "answer", "start_sec", "end_sec")


def read(root: Path) -> Iterator[Tables]:
    """Read the file below `root` in batches.

    Yields:
        tables {"questions"} and the rejects; each element read is in exactly one of them.

    Raises:
        ValueError: the file or a member is missing, or the file is broken.
    """
    (path,) = find_files(root, FILE, source=SOURCE)
    for rows, unread in read_json_records(path, COLUMNS, source=SOURCE, optional=["wrong_answers"]):
        yield {}, unread
        video = clean(rows["video_id"])
        # sample_id is null in the release: the content is the name
        start, end, question = (_shown(rows[name]) for name in ("start_sec", "end_sec", "question"))
        frame = rows.assign(
            row_id=joined(video, start, end, question),
            path=file_names(video, ".mp4"),
            media="video",
            start_s=rows["start_sec"],
            end_s=rows["end_sec"],
            other_answers=None,
            category=None,
            view="ego",
            split="train",
        )
        yield questions(frame, source=SOURCE)


def _shown(values: pd.Series) -> pd.Series:
    """Return the cleaned text of JSON values of any kind."""
    return clean(pd.Series(list(map(str, values.tolist())), dtype=object))
