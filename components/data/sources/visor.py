"""VISOR sparse annotations on disk -> rows of `records.BOX_LABEL`.

Files: GroundTruth-SparseAnnotations/annotations/{train,val}/<video>.json (epic-kitchens/VISOR-VIS README.md), outlines
in pixels of 1920x1080. A json's video is joined to the ego video of that name. One row in is one mask, or one frame
that should hold some and cannot be read.

VISOR's images were extracted anew, so that their numbers are not those of the images that EPIC-KITCHENS released;
frame_mapping.json, `{video: {VISOR's image: EPIC's image}}`, tells which is which. It is needed where a video is a
folder of released images; in a film the frame follows from VISOR's own number (shared/epic_frames.py). In a take of
another source, the number counts the frames of the video from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.sources.shared import json_fields
from components.data.sources.shared.epic_frames import EPIC, IMAGE_NUMBER, LATE_IMAGES, film_frame, images_per_s
from components.data.sources.shared.json_fields import MemberError, member
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.rejecting import Tables
from components.records import content_id

SOURCE = "visor"
ANNOTATIONS = "GroundTruth-SparseAnnotations/annotations"
MAPPING = "frame_mapping.json"
SIZE_PX = (1920, 1080)
MISSPELT = {"rigth hand": "right hand"}  # known erratum, VISOR-HOS

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, videos: pa.Table) -> Iterator[Tables]:
    """Read the annotations below `root` in batches.

    Args:
        root: folder of the source.
        videos: columns of `records.VIDEO`, all but `camera_id`; of two ego videos of takes with one name the first
            counts.

    Yields:
        tables {"boxes"} (percent of the frame, the smallest box round all polygons of a mask) and the rejects; each
        mask read is in exactly one of them.

    Raises:
        ValueError: there is no annotation below `root`, or a file is broken or missing (names it).
    """
    files = sorted((root / ANNOTATIONS).glob("*/*.json"))
    if not files:
        raise ValueError(
            f"{root / ANNOTATIONS}: no <split>/<video>.json there; download VISOR, make the miniature world "
            "(`dvc repro world`), or mend sources.visor in params/data.yaml"
        )
    ego = json_fields.row_lookup(videos.filter(pc.field("view") == "ego"), "take_name")
    numbers = _mapping(root / MAPPING, [file.stem for file in files if _is_released_images(ego(file.stem))])
    yield from json_fields.in_batches(chain.from_iterable(_masks(file, ego, numbers) for file in files), "boxes")


def _is_released_images(video: dict | None) -> bool:
    return video is not None and video["source"] == EPIC and not PurePosixPath(video["path"]).suffix


def _mapping(path: Path, needed: list[str]) -> dict[str, dict]:
    """Return what the mapping says of the images of videos that are folders of images.

    Raises:
        ValueError: there are such videos and no mapping, or it is broken.
    """
    if not needed:
        return {}
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: it tells which released image of EPIC-KITCHENS an image of VISOR is, and {needed[0]} "
            "is a folder of such images; get it from VISOR's release, or take sources.visor out of params/data.yaml"
        )
    found = dict(json_items(path, source=SOURCE, kind=dict))
    return {video: found[video] for video in needed if isinstance(found.get(video), dict)}


def _masks(file: Path, ego: Callable[[str], dict | None], numbers: dict[str, dict]) -> Iterator[dict]:
    """Return the box or the reject of each mask in a file."""
    for position, frame in json_items(file, source=SOURCE, kind=list, name="video_annotations"):
        try:
            image, masks = member(frame, "image", dict), member(frame, "annotations", list)
            name, video = member(image, "name", str), member(image, "video", str)
        except MemberError as error:
            lost = json_fields.lost_row_ids(frame, "annotations", f"{file.name}:{position}")
            yield from (reject(row_id, "bad_member", error) for row_id in lost)
            continue
        found = ego(video)
        index = ("no_video", video) if found is None else _frame_index(name, found, numbers.get(video, {}))
        for number, mask in enumerate(masks):
            yield _box(mask, number, name, found, index)


def _frame_index(image: str, video: dict, numbers: dict) -> int | tuple[str, object]:
    """Return the index of the frame of a video that an image shows; or why there is none: a reason and a detail.

    Args:
        image: name of VISOR's image.
        video: a row of `records.VIDEO`.
        numbers: EPIC's image by VISOR's, of a video that is a folder of images.
    """
    is_folder = _is_released_images(video)
    if is_folder and image not in numbers:
        return "not_in_frame_mapping", image
    shown = str(numbers[image]) if is_folder else image
    found = IMAGE_NUMBER.search(shown)
    if found is None:
        return "bad_image_name", shown
    index = int(found[1])
    if is_folder:
        index -= 1  # the released images are numbered from 1
    elif video["source"] == EPIC:
        name = video["take_name"]
        index = film_frame(index - LATE_IMAGES.get(name, 0), per_s=images_per_s(name), fps=video["fps"])
    if not 0 <= index < round(video["duration_s"] * video["fps"]):
        return "outside_video", f"frame {index} of {video['duration_s']:g} s at {video['fps']:g}/s"
    return index


def _box(mask: object, at: int, image: str, video: dict | None, index: int | tuple[str, object]) -> dict:
    """Return the box of a mask, the one at position `at` of its image, or its reject.

    Args:
        mask: as it is listed.
        at: its position.
        image: its name.
        video: that the image is of.
        index: as `_frame_index` returns it.
    """
    try:
        mask_id, label = member(mask, "id", (str, int)), member(mask, "name", str)
        segments = member(mask, "segments", list)
    except MemberError as error:
        return reject(f"{image}/{at}", "bad_member", error)
    refuse = partial(reject, f"{image}/{mask_id}")
    if isinstance(index, tuple):
        return refuse(*index)
    assert video is not None, f"{image}: frame {index} of no video"
    if not label:
        return refuse("empty_text", image)
    points = _points(segments)
    if points is None:
        return refuse("bad_polygon", segments)
    if not len(points):
        return refuse("under_three_points", label)
    percent = np.clip(points / SIZE_PX * 100, 0, 100)
    box = [*percent.min(axis=0).tolist(), *percent.max(axis=0).tolist()]
    if box[0] >= box[2] or box[1] >= box[3]:
        return refuse("empty_box", box)
    return {
        "box_id": content_id(SOURCE, image, mask_id),
        "source": SOURCE,
        "take_id": video["take_id"],
        "video_id": video["video_id"],
        "frame": index,
        "time_s": index / video["fps"],
        "name": MISSPELT.get(label, label),
        "box_xyxy": box,
        "split": video["split"],
    }


def _points(segments: list) -> np.ndarray | None:
    """Return the points [N, 2], in pixels, of polygons of three or more; None if one is no list of finite points."""
    if not all(isinstance(polygon, list) for polygon in segments):
        return None
    polygons = [polygon for polygon in segments if len(polygon) >= 3]
    try:
        points = np.concatenate([np.empty((0, 2)), *(np.asarray(polygon, dtype=np.float64) for polygon in polygons)])
    except (ValueError, TypeError, OverflowError):
        return None
    return points if np.isfinite(points).all() else None
