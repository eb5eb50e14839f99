"""VIDAL-10M on disk -> rows of `records.CAPTION`.

Files: *.json, an object `{YouTube id: {"folder", "mplug", "polish_mplug", "ofa", "sound_mplug", "raw"}}`
(PKU-YuanGroup/LanguageBind DATASETS.md). The text is `polish_mplug`, the caption that LanguageBind trains on. The media
root holds `<folder>/<id>.mp4`; the caption is of the whole video. One row in is one member of the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import captions, clean, file_names, join_paths
from components.data.sources.shared.readers import find_files, read_json_records
from components.data.sources.shared.rejecting import Tables

SOURCE = "vidal"
FILES = "*.json"


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each member read is in exactly one of them.

    Raises:
        ValueError: there is no file, a member is missing, or a file is broken.
    """
    for path in find_files(root, FILES, source=SOURCE):
        for rows, unread in read_json_records(path, ["folder", "polish_mplug"], source=SOURCE):
            yield {}, unread
            ids = clean(rows["key"])
            frame = rows.assign(
                row_id=ids,
                path=join_paths(clean(rows["folder"]), file_names(ids, ".mp4")),
                media="video",
                text=rows["polish_mplug"],
                view="exo",
                split="train",
            )
            yield captions(frame, source=SOURCE)
