"""Densely Captioned Images on disk -> rows of `records.CAPTION`.

Files: annotations/*.json, one for each image (facebookresearch/DCI README.md). The text is `short_caption` and, after
it, `extra_caption`: both describe the whole image. Masks (base64 pictures), their captions, summaries and negatives are
not read. The media root holds `image` (the folder photos). One row in is one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import captions, clean
from components.data.sources.shared.json_values import decode
from components.data.sources.shared.readers import BATCH_ROWS, find_files
from components.data.sources.shared.rejecting import Tables, reject_rows

SOURCE = "dci"
FILES = "annotations/*.json"


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each file is in exactly one of them.

    Raises:
        ValueError: there is no file.
    """
    files = iter(find_files(root, FILES, source=SOURCE))
    while batch := list(islice(files, BATCH_ROWS)):
        loaded = [(path.name, *_load(path)) for path in batch]
        broken = [(name, why) for name, image, why in loaded if image is None]
        names, reasons = [name for name, _ in broken], ["broken_json"] * len(broken)
        yield {}, reject_rows(SOURCE, names, reasons, [why for _, why in broken])
        members = [
            (name, image.get("image"), image.get("short_caption"), image.get("extra_caption"))
            for name, image, _ in loaded
            if image is not None
        ]
        frame = pd.DataFrame(members, columns=["row_id", "path", "short", "extra"], dtype=object)
        short, extra = clean(frame["short"]), clean(frame["extra"])
        yield captions(
            frame.assign(
                row_id=clean(frame["row_id"]),
                path=clean(frame["path"]),
                media="image",
                text=(short + " " + extra).mask(short == "", ""),
                view="exo",
                split="train",
            ),
            source=SOURCE,
        )


def _load(path: Path) -> tuple[dict | None, str]:
    """Return the object in a file, without its masks, or why there is none."""
    try:
        image = decode(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return None, str(error)
    if not isinstance(image, dict):
        return None, f"{type(image).__name__}, allowed is an object"
    return {name: image.get(name) for name in ("image", "short_caption", "extra_caption")}, ""
