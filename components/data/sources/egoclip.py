"""EgoClip on disk -> rows of `records.CAPTION`.

File: egoclip.csv, which is separated by tabs (showlab/EgoVLP data_loader/EgoClip_EgoMCQ_dataset.py). `clip_start` may
be negative: the video begins at 0. Quotes are text and made other readers lose lines. `tag_verb` and `tag_noun` are not
read. What another person does (`#O`) is no caption of the camera wearer. A film is `<video_uid>.mp4` among Ego4D's
(`FOLDERS` in components/data/media.py). One row in is one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.data.sources.shared.cleaning import captions, clean, file_names, seconds, without_subject_tag
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables
from components.data.sources.shared.subject_tags import subjects

SOURCE = "egoclip"
FILE = "egoclip.csv"
COLUMNS = ("clip_idx", "video_uid", "clip_start", "clip_end", "clip_text")


def read(root: Path) -> Iterator[Tables]:
    """Read the file below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: the file or a column is missing.
    """
    (path,) = find_files(root, FILE, source=SOURCE)
    for rows, unread in read_delimited(path, COLUMNS, source=SOURCE, delimiter="\t", quoted=False):
        yield {}, unread
        text = clean(rows["clip_text"])
        before = seconds(rows["clip_start"]).between(float("-inf"), 0, inclusive="neither")
        frame = rows.assign(
            row_id=clean(rows["clip_idx"]),
            path=file_names(clean(rows["video_uid"]), ".mp4"),
            media="video",
            start_s=rows["clip_start"].mask(before, "0"),
            end_s=rows["clip_end"],
            text=without_subject_tag(text),
            view="ego",
            split="train",  # EgoMCQ's videos are not in it
        )
        yield captions(frame, source=SOURCE, masks={"not_camera_wearer": subjects(text) == "O"})
