"""Conceptual Captions 3M on disk -> rows of `records.CAPTION`.

Files: Train_GCC-training.tsv and Validation_GCC-1.1.0-Validation.tsv (our test), `caption<TAB>url` without a header.
The rows name no file. Here an image lies where igorbrigadir/DownloadConceptualCaptions puts it, below the media root at
`<training|validation>/<line, from 0>_<CRC-32 of the url>`, without an extension. One row in is one line; many links are
dead, so that a missing image is no error of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pandas as pd

from components.data.sources.shared.cleaning import captions, clean
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables

SOURCE = "cc3m"
FILES = {
    "Train_GCC-training.tsv": ("training", "train"),
    "Validation_GCC-1.1.0-Validation.tsv": ("validation", "test"),
}
COLUMNS = ("caption", "url")


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: a file is missing.
    """
    for name, (folder, split) in FILES.items():
        (path,) = find_files(root, name, source=SOURCE)
        for rows, unread in read_delimited(path, COLUMNS, source=SOURCE, delimiter="\t", quoted=False, header=COLUMNS):
            yield {}, unread
            urls = clean(rows["url"])
            sums = pd.Series([str(crc32(url.encode())) for url in urls], index=rows.index, dtype="str")
            place = folder + "/" + (rows["line"] - 1).astype("str") + "_" + sums
            place = place.mask(urls == "", "")
            yield captions(
                rows.assign(
                    row_id=folder + "/" + (rows["line"] - 1).astype("str"),
                    path=place,
                    media="image",
                    text=rows["caption"],
                    view="exo",
                    split=split,
                ),
                source=SOURCE,
            )
