"""LEMMA on disk -> rows of `records.VIDEO` and `records.INTERVAL`.

Files, all JSON: action_intervals_w_tasks.json, or per_act_intervals.json of the same form, `{recording: {"P1":
[[action, start, end, task], ...], "P2": [...]}}`, frames of 24 a second from 0, the end exclusive (Buzz-Beater/
EgoTaskQA generation/utils/anno_utils.py); and splits/<persons>x<tasks>_{train,val,test}.json, lists of recordings
(Buzz-Beater/LEMMA datasets/seg_dataset.py). The frame labels of the first release (`rec_fpv_frames.p` and others) are
pickles, which could run anything, and are never read; the intervals are the segments of the same labels.

Films: videos/<recording>/<camera>, a folder of images (img_00001.jpg is frame 0) or a film of that name. P1 wears fpv1
and P2, where there is a second person, fpv2; master stands in the room. All cameras of a recording are frame-aligned
and make up one take.

An action, `Get [cup,spoon] from [table] using [hand]`, is said as "get the cup and the spoon from the table". It is on
the camera of the one who acts, and on master. One row in is one camera of a recording, or one action on one camera; or
what should hold some and cannot be read.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from components.data.sources.shared import json_fields
from components.data.sources.shared.json_fields import finite_number
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.readers import find_files
from components.data.sources.shared.rejecting import Tables
from components.data.sources.shared.take_videos import interval_row, video_row
from components.video import Probe

SOURCE = "lemma"
FILES = ("action_intervals_w_tasks.json", "per_act_intervals.json")
FOLDERS = (".", "annotations", "annotations/new_annotations")  # where the files may lie
SPLIT_FILES = {"train": "train", "val": "test", "test": "test"}  # "splits/1x1_<key>.json"
FILMS = ("videos", "data-002")  # the second as the archive names it
WEARERS = {"P1": "fpv1", "P2": "fpv2"}
OUTSIDE = "master"
FPS = 24.0
_QUALIFIER = r"\([^)]*\)"  # "bottle(water)"
_UNSAID = r" (?:using|with) \[\s*hands?\s*\]| (?:from|to|into|in|on|using|with) \[\s*\]"

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, probe: Callable[..., Probe]) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Args:
        root: folder of the dataset.
        probe: as `video.probe`.

    Yields:
        tables {"videos"}, then tables {"intervals"}, and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file is missing or broken (names it), or gives a recording two splits.
    """
    path, split_of = _intervals_file(root), _splits(root)
    found: dict[tuple[str, str], dict] = {}
    yield from json_fields.in_batches(_videos(path, split_of, found, root, probe), "videos")
    yield from json_fields.in_batches(_intervals(path, found), "intervals")


def _intervals_file(root: Path) -> Path:
    there = [root / folder / name for folder in FOLDERS for name in FILES if (root / folder / name).is_file()]
    if not there:
        raise ValueError(
            f"{root}: {' or '.join(FILES)} is missing, there and in {' and '.join(FOLDERS[1:])}; it comes with "
            "EgoTaskQA's annotations of LEMMA (pickles such as rec_fpv_frames.p are never read). Put it there, "
            f"make the miniature world (`dvc repro world`), or mend or take out sources.{SOURCE} in params/data.yaml"
        )
    return there[0]


def _splits(root: Path) -> dict[str, str]:
    """Return the split of each recording that the files of splits name."""
    made: dict[str, str] = {}
    listed = [
        (split, path)
        for split in SPLIT_FILES
        for folder in FOLDERS
        for path in sorted((root / folder).glob(f"splits/*_{split}.json"))
    ]
    if not listed:
        find_files(root, "annotations/splits/*_train.json", source=SOURCE)  # says what is missing
    for split, path in listed:
        for _, recording in json_items(path, source=SOURCE, kind=list):
            if made.setdefault(str(recording), SPLIT_FILES[split]) != SPLIT_FILES[split]:
                raise ValueError(
                    f"{path}: recording {recording} is of the split {made[str(recording)]} already; get the released "
                    f"files again or mend sources.{SOURCE} in params/data.yaml"
                )
    return made


def _videos(
    path: Path, split_of: dict[str, str], found: dict[tuple[str, str], dict], root: Path, probe: Callable[..., Probe]
) -> Iterator[dict]:
    """Return the video or the reject of each camera; `found` gets them all."""
    for key, people in json_items(path, source=SOURCE, kind=dict):
        recording = str(key)
        if not isinstance(people, dict):
            yield reject(recording, "not_an_object", people)
            continue
        for camera in (*(WEARERS[person] for person in people if person in WEARERS), OUTSIDE):
            view = "exo" if camera == OUTSIDE else "ego"
            if recording in split_of:
                of = {"take_id": recording, "camera_id": camera, "view": view, "split": split_of[recording]}
                paths = [f"{films}/{recording}/{name}" for films in FILMS for name in (camera, f"{camera}.mp4")]
                row = video_row(SOURCE, of, paths, root=root, probe=probe, folder_fps=FPS)
            else:
                row = reject(f"{recording}/{camera}", "unknown_split", recording)
            found[recording, camera] = row
            yield row


def _intervals(path: Path, found: dict[tuple[str, str], dict]) -> Iterator[dict]:
    """Return the interval or the reject of each action on each camera that it is on."""
    for key, people in json_items(path, source=SOURCE, kind=dict):
        recording = str(key)
        for person, actions in people.items() if isinstance(people, dict) else ():
            if person not in WEARERS or not isinstance(actions, list):
                yield reject(f"{recording}/{person}", "bad_member", f"{reprlib.repr(actions)} of {person}")
                continue
            for number, action in enumerate(actions):
                for camera in (WEARERS[person], OUTSIDE):
                    yield _interval((recording, camera, person, str(number)), action, found[recording, camera])


def _interval(names: tuple[str, str, str, str], action: object, video: dict) -> dict:
    """Return the interval of an action on a camera, or its reject; `names` are recording, camera, person and number."""
    refuse = partial(reject, "/".join(names))
    if not isinstance(action, list) or len(action) < 3 or not isinstance(action[0], str):
        return refuse("bad_member", f"{reprlib.repr(action)} came, allowed is [action, start, end, task]")
    if "reason" in video:
        return refuse("no_video", video["reason"])
    frames = (finite_number(value) for value in action[1:3])
    start_s, end_s = (None if frame is None else frame / FPS for frame in frames)
    return interval_row(SOURCE, names, video, (start_s, end_s), said(action[0], names[2]))


def said(action: str, person: str) -> str:
    """Say an action of LEMMA's templates as people do; "" for one that says nothing.

    Hands are no tool that anyone would name, and a slot may be empty; both go, with the word before them.

    Args:
        action: as the dataset writes it.
        person: who acts, "P1" or "P2"; the other one is "the other person".

    >>> said("Get [cup,cutting-board] from [table] using [hand]", "P1")
    'get the cup and the cutting board from the table'
    >>> said("Point to [P2]", "P1"), said("NULL", "P1")
    ('point to the other person', '')
    """

    def things(slot: re.Match) -> str:
        names = [name.strip() for name in slot[1].split(",")]
        people = {name: "the other person" if name != person else "oneself" for name in WEARERS}
        return " and ".join(people.get(name, f"the {name.lower()}") for name in names if name)

    text = re.sub(_QUALIFIER, "", action)
    text = re.sub(_UNSAID, "", text)
    text = re.sub(r"\[([^\]]*)\]", things, text[:1].lower() + text[1:])
    words = " ".join(text.replace("-", " ").split())
    return "" if words.lower() == "null" else words
