"""Ego-Exo4D on disk -> rows of `records.VIDEO` and `records.NARRATION`.

Files: takes.json, annotations/splits.json, annotations/atomic_descriptions_{train,val}.json and the frame-aligned
videos (EGO4D/Ego-Exo4D-docs docs/data/takes.md, docs/annotations/atomic_descriptions.md). Annotations are keyed by
take uid, folders by take name. A video that is not where takes.json says is looked for among the downscaled ones. One
row in is one stream of a take, or one description; or what should hold some and cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from components.data.sources.shared import json_fields
from components.data.sources.shared.atomic_descriptions import SOURCE, descriptions, reject
from components.data.sources.shared.json_fields import Kind, MemberError, member
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.rejecting import Tables
from components.records import content_id
from components.video import PathError, Probe, VideoError, inside

TAKES_FILE, SPLITS_FILE = "takes.json", "annotations/splits.json"
DESCRIPTIONS_FILE = "annotations/atomic_descriptions_{}.json"
DOWNSCALED = "downscaled/448"  # beside the full-size files, under the same names: the short side has 448 pixels
SPLITS = {"train": "train", "val": "test"}  # the test split has no annotations; its val is our held-out benchmark
PSEUDO_CAMERAS = ("collage", "best_exo", "mobile", "moblie")


class _Take(NamedTuple):
    """What is read of a take."""

    uid: str
    name: str
    folder: str
    is_dropped: bool
    is_ego: dict[str, bool]  # by camera
    streams: dict[str, dict]  # by camera and name


def read(root: Path, *, probe: Callable[[Path], Probe]) -> Iterator[Tables]:
    """Read the release in batches; what stays in memory is the split of each take, and nothing of a narration.

    Args:
        root: folder of the release.
        probe: returns the length of a video file, or raises VideoError.

    Yields:
        tables {"videos"}, then tables {"narrations"}, and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file of the release is missing or broken (names it).
    """
    # a missing file is found now, not after hours of probing
    described = [_items(root / DESCRIPTIONS_FILE.format(split), dict, "annotations") for split in SPLITS]
    split_of_take: dict[str, str | None] = {}
    yield from json_fields.in_batches(_videos(root, probe, split_of_take), "videos")
    narrated = (descriptions(*of_take, split_of_take) for of_take in chain.from_iterable(described))
    yield from json_fields.in_batches(chain.from_iterable(narrated), "narrations")


def _videos(root: Path, probe: Callable[[Path], Probe], split_of_take: dict[str, str | None]) -> Iterator[dict]:
    """Return the videos and rejects of takes.json; `split_of_take` gets every take, None for one without a video."""
    split_of = _splits(root / SPLITS_FILE)
    for number, listed in _items(root / TAKES_FILE, list):
        split_of_take.setdefault(_name(listed, number), None)
        try:
            take = _take(listed)
        except MemberError as error:
            yield from (reject(row_id, "bad_member", error) for row_id in _unread(listed, number))
            continue
        for row in _streams(take, split_of.get(take.uid), root, probe):
            if "reason" not in row:
                split_of_take[take.uid] = row["split"]
            yield row


def takes(root: Path) -> list[dict]:
    """Return every take of the release once: `take_id`, `scenario` and the reason why it is `refused` whole, or None.

    Raises:
        ValueError: takes.json or annotations/splits.json is missing or broken (names it).
    """
    split_of = _splits(root / SPLITS_FILE)
    made: dict[str, dict] = {}
    for number, listed in _items(root / TAKES_FILE, list):
        uid, scenario = _name(listed, number), _text(listed, "parent_task_name", "unknown")
        try:
            refused = _refuse_take(uid, split_of.get(uid), is_dropped=member(listed, "is_dropped", bool))
        except MemberError as error:
            refused = "bad_member", error
        made.setdefault(uid, {"take_id": uid, "scenario": scenario, "refused": refused[0] if refused else None})
    return list(made.values())


def _splits(path: Path) -> dict[str, object]:
    """Return the split of each take, whatever stands there.

    Raises:
        ValueError: the file is missing or broken, or gives a take two splits.
    """
    made: dict[str, object] = {}
    for uid, split in _items(path, dict, "take_uid_to_split"):
        if made.setdefault(uid, split) != split:
            raise ValueError(
                f"{path}: take {uid} has the splits {made[uid]!r} and {split!r}, allowed is one; get the released file "
                "again or mend sources.egoexo4d in params/data.yaml"
            )
    return made


def _items(path: Path, kind: Kind, name: str | None = None) -> Iterator[tuple[Any, Any]]:
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; download it (`egoexo -o <dir> --parts metadata annotations`), make the miniature "
            "world (`dvc repro world`), or mend sources.egoexo4d in params/data.yaml"
        )
    return json_items(path, source=SOURCE, kind=kind, name=name)


def _take(listed: object) -> _Take:
    """Check a take as it is listed.

    Raises:
        MemberError: a member is missing or of another kind.
    """
    cameras = member(member(listed, "capture", dict), "cameras", list)
    videos = member(listed, "frame_aligned_videos", dict)
    return _Take(
        uid=member(listed, "take_uid", str),
        name=member(listed, "take_name", str),
        folder=member(listed, "root_dir", str),
        is_dropped=member(listed, "is_dropped", bool),
        is_ego={member(camera, "cam_id", str): member(camera, "is_ego", bool) for camera in cameras},
        streams={name: member(videos, name, dict) for name in sorted(videos)},
    )


def _name(listed: object, number: int) -> str:
    return _text(listed, "take_uid", f"takes.json:{number}")


def _text(listed: object, name: str, otherwise: str) -> str:
    try:
        return member(listed, name, str)
    except MemberError:
        return otherwise


def _unread(listed: object, number: int) -> list[str]:
    """Name the streams of a take that cannot be read; the take itself where it does not list them."""
    videos, take = listed.get("frame_aligned_videos") if isinstance(listed, dict) else None, _name(listed, number)
    if not isinstance(videos, dict):
        return [take]
    names = [
        f"{take}/{camera}/{name}"
        for camera, streams in videos.items()
        for name in (streams if isinstance(streams, dict) else ("",))
    ]
    return names or [take]


def _streams(take: _Take, split: object, root: Path, probe: Callable[[Path], Probe]) -> Iterator[dict]:
    """Return the video or the reject of each stream of a take."""
    has_ego = False
    our_split = SPLITS.get(split) if isinstance(split, str) else None
    for camera, name, stream in ((camera, *item) for camera, of in take.streams.items() for item in of.items()):
        row_id = f"{take.uid}/{camera}/{name}"
        try:
            refused = _refuse_take(take.name, split, is_dropped=take.is_dropped) or _refuse_stream(
                camera, stream, take.is_ego, has_ego=has_ego
            )
            if refused is not None:
                yield reject(row_id, *refused)
                continue
            full_size = path = PurePosixPath(take.folder) / member(stream, "relative_path", str)
            file = inside(root, str(path))
            if not file.is_file():
                path = full_size.parent / DOWNSCALED / full_size.name
                file = inside(root, str(path))
            if not file.is_file():
                yield reject(row_id, "file_missing", f"neither {full_size} nor {path} is there")
                continue
            length = probe(file)
        except MemberError as error:
            yield reject(row_id, "bad_member", error)
            continue
        except PathError as error:
            yield reject(row_id, "path_outside_root", error.cause)
            continue
        except VideoError as error:
            yield reject(row_id, "unreadable_video", f"{path}: {error.cause}")
            continue
        has_ego = has_ego or take.is_ego[camera]
        yield {
            "video_id": content_id(SOURCE, take.uid, camera),
            "source": SOURCE,
            "take_id": take.uid,
            "take_name": take.name,
            "camera_id": camera,
            "view": "ego" if take.is_ego[camera] else "exo",
            "path": str(path),
            "duration_s": length.duration_s,
            "fps": length.fps,
            "split": our_split,
        }
    if not any(take.streams.values()):
        yield reject(take.uid, "no_streams", take.name)


def _refuse_take(name: str, split: object, *, is_dropped: bool) -> tuple[str, object] | None:
    if is_dropped:
        return "take_dropped", name
    if not isinstance(split, str) or split not in SPLITS:
        return ("test_split" if split == "test" else "unknown_split"), split
    return None


def _refuse_stream(camera: str, stream: object, is_ego: dict, *, has_ego: bool) -> tuple[str, object] | None:
    if camera in PSEUDO_CAMERAS:
        return "pseudo_camera", camera
    if camera not in is_ego:
        return "camera_not_in_capture", camera
    if is_ego[camera]:
        kind = member(stream, "readable_stream_id", str)
        if kind != "rgb":  # slam, eye tracking, or a GoPro worn as second ego camera
            return "not_the_ego_stream", kind
        if has_ego:
            return "second_ego_camera", camera
    elif not camera.startswith(("cam", "gp")):
        return "not_an_exo_camera", camera
    if isinstance(stream, dict) and stream.get("relative_path", "") is None:
        return "null_path", camera
    return None
