"""OpenEQA on disk -> rows of `records.QUESTION`.

File: data/open-eqa-v0.json (facebookresearch/open-eqa). `extra_answers` stand in some records and are right as well.
The media root is the folder data/frames, which holds a folder of images for each `episode_history`; there are no times.
Exo2Ego trains on it (systems §1.2), so it is train. One row in is one element of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import clean, questions
from components.data.sources.shared.readers import find_files, read_json_records
from components.data.sources.shared.rejecting import Tables

SOURCE = "openeqa"
FILE = "data/open-eqa-v0.json"
COLUMNS = ("question_id", "question", "answer", "category", "episode_history")


def read(root: Path) -> Iterator[Tables]:
    """Read the file below `root` in batches.

    Yields:
        tables {"questions"} and the rejects; each element read is in exactly one of them.

    Raises:
        ValueError: the file or a member is missing, or the file is broken.
    """
    (path,) = find_files(root, FILE, source=SOURCE)
    for rows, unread in read_json_records(path, COLUMNS, source=SOURCE, optional=["extra_answers"]):
        yield {}, unread
        category = clean(rows["category"])
        frame = rows.assign(
            row_id=clean(rows["question_id"]),
            path=clean(rows["episode_history"]),
            media="frames",
            wrong_answers=None,
            other_answers=rows["extra_answers"],
            category=category.mask(category == ""),
            view="ego",
            split="train",
        )
        yield questions(frame, source=SOURCE)
