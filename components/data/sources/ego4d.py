"""Ego4D narrations on disk -> rows of `records.NARRATION` (`point_narrations`).

File: narration.json, `{video_uid: {"status", "narration_pass_1": {"narrations": [...], "summaries": [...]}, ...}}`
(facebookresearch/Ego4d ego4d/research/clep/preprocess/ego4d_data.py). A pass is an annotator. `#unsure` in a text sets
the flag and stays; the tag `#C` goes where the subject C follows; `#O` (another person) stays. Summaries are not read.
One row in is one narration, or one video that has none to read. The same words at the same time of a pass are one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import Tables, clean, narrations, reject_rows
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.readers import BATCH_ROWS, find_files

SOURCE = "ego4d"
FILE = "narration.json"
PASSES = ("narration_pass_1", "narration_pass_2")


def read(root: Path) -> Iterator[Tables]:
    """Read the file below `root` in batches.

    Yields:
        tables {"point_narrations"} and the rejects; each narration read is in exactly one of them.

    Raises:
        ValueError: the file is missing or broken.
    """
    (path,) = find_files(root, FILE, source=SOURCE)
    narrated = _narrated(path)
    while batch := list(islice(narrated, BATCH_ROWS)):
        refused = [(uid, reason, detail) for uid, reason, detail in batch if isinstance(reason, str)]
        yield {}, reject_rows(SOURCE, *(zip(*refused, strict=True) if refused else ((), (), ())))
        kept = [(uid, *rest) for uid, *rest in batch if not isinstance(rest[0], str)]
        frame = pd.DataFrame(
            [(uid, *place, item.get("timestamp_sec"), item.get("narration_text")) for uid, place, item in kept],
            columns=["take_id", "annotator_id", "number", "time_s", "text"],
            dtype=object,
        )
        take_id, text = clean(frame["take_id"]), clean(frame["text"])
        row_id = take_id + "/" + clean(frame["annotator_id"]) + "/" + clean(frame["time_s"].map(str)) + "/" + text
        yield narrations(frame.assign(row_id=row_id, take_id=take_id, ego_visible=True), source=SOURCE)


def _narrated(path: Path) -> Iterator[tuple]:
    """Return (video, (pass, position), narration), or (row, reason, detail) for what cannot be read."""
    for uid, video in json_items(path, source=SOURCE):
        if not isinstance(video, dict):
            yield uid, "not_an_object", video
        elif video.get("status") == "redacted":
            yield uid, "redacted", ""
        else:
            passes = {name: video[name] for name in PASSES if isinstance(video.get(name), dict)}
            lists = {name: content.get("narrations") for name, content in passes.items()}
            if not any(isinstance(items, list) and items for items in lists.values()):
                yield uid, "no_narrations", video.get("status")
            for name, items in lists.items():
                for number, item in enumerate(items if isinstance(items, list) else ()):
                    if isinstance(item, dict):
                        yield uid, (name, number), item
                    else:
                        yield f"{uid}/{name}/{number}", "not_an_object", item
