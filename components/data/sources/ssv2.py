"""Something-Something-V2 on disk -> rows of `records.CAPTION`.

Files: labels/{labels,train,validation,test}.json. Validation is our test; the videos of test.json have no label. The
text is `label`, the template filled in; the template without brackets must be one of the classes of labels.json. The
media root holds `<id>.webm`; the caption is of the whole video. Exo2Ego takes it as egocentric (systems §1.2). One row
in is one element of a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import Tables, captions, clean, file_names, reject_rows
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.readers import find_files, read_json_records

SOURCE = "ssv2"
CLASSES = "labels/labels.json"
FILES = {"labels/train.json": "train", "labels/validation.json": "test"}
UNLABELLED = "labels/test.json"


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each element read is in exactly one of them.

    Raises:
        ValueError: a file or a member is missing, or a file is broken.
    """
    (path,) = find_files(root, CLASSES, source=SOURCE)
    classes = [name for name, _ in json_items(path, source=SOURCE)]
    for file, split in FILES.items():
        (path,) = find_files(root, file, source=SOURCE)
        for rows, unread in read_json_records(path, ["id", "label", "template"], source=SOURCE):
            yield {}, unread
            ids, template = clean(rows["id"]), clean(rows["template"])
            frame = rows.assign(
                row_id=ids, path=file_names(ids, ".webm"), media="video", text=rows["label"], view="ego", split=split
            )
            known = template.str.replace(r"[\[\]]", "", regex=True).isin(classes)
            yield captions(frame, source=SOURCE, masks={"unknown_template": ~known})
    (path,) = find_files(root, UNLABELLED, source=SOURCE)
    for rows, unread in read_json_records(path, ["id"], source=SOURCE):
        yield {}, unread
        yield {}, reject_rows(SOURCE, clean(rows["id"]), ["no_label"] * len(rows), [path.name] * len(rows))
