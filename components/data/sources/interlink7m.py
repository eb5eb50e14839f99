"""Howto-Interlink7M on disk -> rows of `records.CAPTION`.

Files: Howto-Interlink7M_subset_w_{all,sampled}_clips_{train,val}.tsv, any of them (showlab/cosmo
src/data/interleave_video_text_dataset.py); val is our test. `clips` is JSON:
`[{"clip": "0:00:00 - 0:00:05", "caption": "..."}]`. `path`, or `video` where that is the name of the column, is that of
the HowTo100M file below the media root. A clip that stands in both subsets is a repeated id. One row in is one clip, or
one line without clips that can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import captions, clean, clock_to_seconds
from components.data.sources.shared.json_values import decode
from components.data.sources.shared.readers import find_files, header_of, read_delimited
from components.data.sources.shared.rejecting import Tables, reject_rows

SOURCE = "interlink7m"
FILES = "Howto-Interlink7M_subset_w_*_clips_{}.tsv"
SPLITS = {"train": "train", "val": "test"}
PLACES = ("path", "video")  # columns that name the file, the first that is there
LINES = 20_000  # of some ten clips each


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each clip read is in exactly one of them.

    Raises:
        ValueError: there is no file, or a column is missing.
    """
    find_files(root, FILES.format("*"), source=SOURCE)
    for suffix, split in SPLITS.items():
        for path in sorted(root.glob(FILES.format(suffix))):
            place = next((name for name in PLACES if name in header_of(path, delimiter="\t")), PLACES[0])
            for rows, unread in read_delimited(
                path, [place, "clips"], source=SOURCE, delimiter="\t", quoted=False, batch_rows=LINES
            ):
                yield {}, unread
                clips, rejects = _clips(rows.rename(columns={place: "path"}), path.name)
                yield {}, rejects
                spans = clean(clips["clip"])
                times = spans.str.split("-", n=1)
                frame = clips.assign(
                    row_id=clips["path"] + "/" + spans,
                    media="video",
                    start_s=times.str.get(0).astype("str"),
                    end_s=times.str.get(1).astype("str"),
                    view="exo",
                    split=split,
                )
                yield captions(frame, source=SOURCE, read_time=clock_to_seconds)


def _clips(rows: pd.DataFrame, file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out the clips of each line, and reject lines whose clips are no list of objects."""
    made, refused = [], []
    for line, path, cell in zip(rows["line"], clean(rows["path"]), rows["clips"], strict=True):
        clips = _list(cell)
        if clips:
            made += [(path, clip.get("clip"), clip.get("caption")) for clip in clips]
        else:
            refused.append((f"{file}:{line}", "bad_clips" if clips is None else "no_clips", cell))
    ids, reasons, details = zip(*refused, strict=True) if refused else ((), (), ())
    columns = pd.DataFrame(made, columns=["path", "clip", "text"], dtype=object)
    return columns.assign(path=columns["path"].astype("str")), reject_rows(SOURCE, ids, reasons, details)


def _list(cell: str) -> list[dict] | None:
    try:
        clips = decode(cell)
    except (ValueError, RecursionError):
        return None
    return clips if isinstance(clips, list) and all(isinstance(clip, dict) for clip in clips) else None
