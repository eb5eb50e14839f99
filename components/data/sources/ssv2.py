"""Something-Something-V2 on disk -> rows of `records.CAPTION`.

Files: labels/{labels,train,validation,test}.json, or something-something-v2-{labels,train,validation,test}.json of the
older release, there or beside the videos. Validation is our test. The text is `label`, the template filled in; the
template without brackets must be one of the classes of labels.json.

The videos of test.json have no label; the last release answers them in labels/test-answers.csv, lines `id;class`. The
class is then the text, and the split our test. The media root holds `<id>.webm`; the caption is of the whole video.
Exo2Ego takes it as egocentric (systems §1.2). One row in is one element of a list or one line of answers; an element of
test.json that is answered is that line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import captions, clean, file_names
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.readers import find_files, read_delimited, read_json_records
from components.data.sources.shared.rejecting import Tables, reject_rows

SOURCE = "ssv2"
FILES = ("labels/{}.json", "labels/something-something-v2-{}.json", "something-something-v2-{}.json")
SPLITS = {"train": "train", "validation": "test"}
ANSWERS = "labels/test-answers.csv"


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file or a member is missing, or a file is broken.
    """
    classes = [name for name, _ in json_items(_file(root, "labels"), source=SOURCE)]
    for name, split in SPLITS.items():
        for rows, unread in read_json_records(_file(root, name), ["id", "label", "template"], source=SOURCE):
            yield {}, unread
            template = clean(rows["template"]).str.replace(r"[\[\]]", "", regex=True)
            yield _captions(rows, template.isin(classes), split)
    answered: set[str] = set()
    if (root / ANSWERS).is_file():
        for rows, unread in read_delimited(
            root / ANSWERS, ["id", "label"], source=SOURCE, delimiter=";", quoted=False, header=["id", "label"]
        ):
            yield {}, unread
            answered.update(clean(rows["id"]))
            yield _captions(rows, clean(rows["label"]).isin(classes), "test")
    path = _file(root, "test")
    for rows, unread in read_json_records(path, ["id"], source=SOURCE):
        yield {}, unread
        ids = clean(rows["id"])
        unlabelled = ids[~ids.isin(answered)]
        yield {}, reject_rows(SOURCE, unlabelled, ["no_label"] * len(unlabelled), [path.name] * len(unlabelled))


def _file(root: Path, name: str) -> Path:
    """Return the file of this name in the layout that lies there."""
    paths = (root / pattern.format(name) for pattern in FILES)
    return (
        next((path for path in paths if path.is_file()), None)
        or find_files(root, FILES[0].format(name), source=SOURCE)[0]
    )


def _captions(rows: pd.DataFrame, is_known: pd.Series, split: str) -> Tables:
    """Make captions of rows with `id` and `label`, where the class of the label is known."""
    ids = clean(rows["id"])
    frame = rows.assign(
        row_id=ids, path=file_names(ids, ".webm"), media="video", text=rows["label"], view="ego", split=split
    )
    return captions(frame, source=SOURCE, masks={"unknown_template": ~is_known})
