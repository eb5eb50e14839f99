"""EGTEA Gaze+ on disk -> rows of `records.CAPTION`.

Files: action_idx.txt (`Name_with_underscores <id>`, ids from 1) and {train,test}_split1.txt
(`<clip> <action id> <verb id> <noun id>...`); splits 2 and 3 share out the same clips again and are not read
(LaViLa datasets/README.md). Where raw_annotations/action_labels.csv of the same archive lies there, it says the action
of a clip in words (`<id>; <clip>; <session>; <start ms>; <end ms>; <action>; <verb>; <nouns>`, comments begin with #);
action_idx.txt may then be missing, and names the actions of clips that are not in it.

A clip is `<session>-<start ms>-<end ms>-F<first frame>-F<last frame>`: milliseconds of the action and frames (24 a
second) of the cut clip, which reaches about a tenth further at both ends, all counted from the start of the session.
The media root holds the cut clips, `<session>/<clip>.mp4` (the folder cropped_clips), so that a caption is of its whole
file, and the times of the name are only checked. The text is the action's name, with spaces for underscores. One row in
is one line of a split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.data.sources.shared.cleaning import captions, seconds
from components.data.sources.shared.readers import find_files, read_delimited
from components.data.sources.shared.rejecting import Tables

SOURCE = "egtea"
ACTIONS = "action_idx.txt"
LABELS = "raw_annotations/action_labels.csv"
LABEL_CELLS = ("id", "clip", "session", "start ms", "end ms", "action", "verb", "nouns")
FILES = {"train_split1.txt": "train", "test_split1.txt": "test"}
_CLIP = r"^(?P<session>.+)-(?P<start>\d{1,9})-(?P<end>\d{1,9})-F(?P<first>\d{1,9})-F(?P<last>\d{1,9})$"


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} and the rejects; each line read is in exactly one of them.

    Raises:
        ValueError: a file is missing, or a line of action_idx.txt or action_labels.csv cannot be read.
    """
    labels = _labels(root / LABELS) if (root / LABELS).is_file() else {}
    names = _actions(root) if not labels or (root / ACTIONS).is_file() else {}
    for file, split in FILES.items():
        (path,) = find_files(root, file, source=SOURCE)
        # the ids after the first are not read and their number varies: the line is one cell
        for rows, unread in read_delimited(
            path, ["clip"], source=SOURCE, delimiter="\t", quoted=False, header=["clip"]
        ):
            yield {}, unread
            cells = rows["clip"].str.split()
            clip, action = (cells.str.get(at).fillna("").astype("str") for at in (0, 1))
            texts = [labels.get(name) or names.get(number, "") for name, number in zip(clip, action, strict=True)]
            parts = clip.str.extract(_CLIP)
            start_ms, end_ms, first, last = (seconds(parts[name]) for name in ("start", "end", "first", "last"))
            frame = pd.DataFrame(
                {
                    "row_id": clip,
                    "path": parts["session"] + "/" + clip + ".mp4",
                    "media": "video",
                    "text": pd.Series(texts, index=rows.index, dtype="str"),
                    "view": "ego",
                    "split": split,
                }
            )
            masks = {
                "bad_clip_name": parts["session"].isna(),
                "end_before_start": (start_ms > end_ms) | (first > last),
                "zero_span": (start_ms == end_ms) | (first == last),
                "unknown_action": frame["text"] == "",
            }
            yield captions(frame, source=SOURCE, masks=masks)


def _labels(path: Path) -> dict[str, str]:
    """Return the action of each clip, in words."""
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and line[0] != "#"]
    cells = [line.split(";") for line in lines]
    bad = [line for line, of_line in zip(lines, cells, strict=True) if len(of_line) < len(LABEL_CELLS)]
    if bad or not lines:
        raise ValueError(
            f"{path}: {bad[:1] or 'it is empty'}; allowed are lines `{'; '.join(LABEL_CELLS)}`; get the released file "
            f"again or mend sources.{SOURCE} in params/data.yaml"
        )
    return {of_line[1].strip(): of_line[5].strip().replace("_", " ") for of_line in cells}


def _actions(root: Path) -> dict[str, str]:
    """Return the name of each action id."""
    (path,) = find_files(root, ACTIONS, source=SOURCE)
    lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    bad = [line for line in lines if len(line) < 2 or not line[-1].isdigit()]
    if bad or not lines:
        raise ValueError(
            f"{path}: {bad[:1] or 'it is empty'}; allowed are lines `Name <id>`; get the released file again or mend "
            f"sources.{SOURCE} in params/data.yaml"
        )
    return {line[-1]: " ".join(line[:-1]).replace("_", " ") for line in lines}
