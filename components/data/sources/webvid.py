"""WebVid on disk -> rows of `records.CAPTION`.

Files: results_{2M,10M}_{train,val}.csv, any of them; val is our test. Columns stand in another order in each copy and
are read by name; `duration` (`PT00H00M17S`) is not needed: the caption is of the whole video. A name may hold line
breaks, which become spaces. The media root is the download folder of m-bain/webvid, with
`videos/<page_dir>/<videoid>.mp4`. One row in is one record; a video that stands in two files is a repeated id.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import captions, clean, file_names, join_paths
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables

SOURCE = "webvid"
FILES = "results_*_{}.csv"
SPLITS = {"train": "train", "val": "test"}


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each record read is in exactly one of them.

    Raises:
        ValueError: there is no file, or a column is missing.
    """
    find_files(root, FILES.format("*"), source=SOURCE)
    for suffix, split in SPLITS.items():
        for path in sorted(root.glob(FILES.format(suffix))):
            for rows, unread in read_delimited(path, ["videoid", "page_dir", "name"], source=SOURCE):
                yield {}, unread
                ids = clean(rows["videoid"])
                frame = rows.assign(
                    row_id=ids,
                    path="videos/" + join_paths(clean(rows["page_dir"]), file_names(ids, ".mp4")),
                    media="video",
                    text=rows["name"],
                    view="exo",
                    split=split,
                )
                yield captions(frame, source=SOURCE)
