"""Charades-Ego on disk -> rows of `records.VIDEO` and `records.INTERVAL`.

Files: CharadesEgo_v1_{train,test}.csv and Charades_v1_classes.txt (README.txt of the release), in the folder that
CharadesEgo.zip unpacks to or beside the films, which lie in CharadesEgo_v1_480 or CharadesEgo_v1 as `<id>.mp4`. The
tables of version 0 (gsig/actor-observer datasets/labels) are read too. `actions` is `class start end`, seconds, joined
by semicolons; the text of an interval is the words of its class.

A person acted out each script twice: `<id>` is filmed by another person and `<id>EGO` by a camera that is worn. The two
films are of one take, so that they stay in one split, but their times have nothing to do with one another.

One row in is one film that is listed, or one of its actions. A film without actions is only a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import clean
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables
from components.data.sources.shared.take_videos import interval_row, video_row
from components.video import Probe

SOURCE = "charades_ego"
ANNOTATIONS = "CharadesEgo"
FILE = "CharadesEgo_v[01]_{}.csv"
CLASSES = "Charades_v1_classes.txt"
SPLITS = {"train": "train", "test": "test"}
COLUMNS = ("id", "actions")
FILMS = ("CharadesEgo_v1_480", "CharadesEgo_v1")
EGO = "EGO"
# An action that goes on when the film ends was marked up to there on a timeline that is longer than the film: 19,848 of
# the 67,383 actions of version 0 end behind it, by 3.4 s at most.
MOST_BEHIND_S = 4.0

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, probe: Callable[..., Probe]) -> Iterator[Tables]:
    """Read the tables below `root` in batches.

    Args:
        root: folder of the release.
        probe: as `video.probe`.

    Yields:
        tables {"videos"} and {"intervals"}, and the rejects; each film and each action is in exactly one of them.

    Raises:
        ValueError: a file or a column is missing, or a line of the classes is no class and its words.
    """
    folder = root / ANNOTATIONS if (root / ANNOTATIONS).is_dir() else root
    tables = {split: find_files(folder, FILE.format(split), source=SOURCE)[-1] for split in SPLITS}
    words = _classes(folder)
    for split, path in tables.items():
        for frame, unread in read_delimited(path, COLUMNS, source=SOURCE, batch_rows=json_fields.BATCH_ROWS):
            yield {}, unread
            rows = pd.DataFrame({name: clean(frame[name]) for name in COLUMNS}).to_dict("records")
            found = {row["id"]: _video(row["id"], split, root, probe) for row in rows}
            yield from json_fields.in_batches((found[row["id"]] for row in rows), "videos")
            yield from json_fields.in_batches(
                (action for row in rows for action in _intervals(row, found[row["id"]], words)), "intervals"
            )


def _classes(folder: Path) -> dict[str, str]:
    """Return the words of each class."""
    (path,) = find_files(folder, CLASSES, source=SOURCE)
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    bad = [line for line in lines if len(line) < 2]
    if bad or not lines:
        raise ValueError(
            f"{path}: {bad[:1] or 'it is empty'}; allowed are lines `c000 <words>`; get the released file again or "
            f"mend sources.{SOURCE} in params/data.yaml"
        )
    return {name: words.strip() for name, words in lines}


def _video(name: str, split: str, root: Path, probe: Callable[..., Probe]) -> dict:
    """Return the video of a film, or its reject."""
    if not name:
        return reject("", "no_id", split)
    view = "ego" if name.endswith(EGO) else "exo"
    of = {"take_id": name.removesuffix(EGO), "camera_id": view, "view": view, "split": SPLITS[split]}
    return video_row(SOURCE, of, [f"{folder}/{name}.mp4" for folder in FILMS], root=root, probe=probe)


def _intervals(row: dict[str, str], video: dict, words: dict[str, str]) -> Iterator[dict]:
    """Return the interval or the reject of each action of a film."""
    for action in filter(None, (part.strip() for part in row["actions"].split(";"))):
        name, *times = action.split()
        if "reason" in video:
            yield reject(f"{row['id']}/{action}", "no_video", video["reason"])
        elif name not in words:
            yield reject(f"{row['id']}/{action}", "unknown_class", name)
        elif len(times) != 2:
            yield reject(f"{row['id']}/{action}", "not_a_time", action)
        else:
            span = (times[0], times[1])
            yield interval_row(SOURCE, (row["id"], name, *span), video, span, words[name], most_behind_s=MOST_BEHIND_S)
