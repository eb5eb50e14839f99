"""VISOR sparse annotations on disk -> rows of `records.BOX_LABEL`.

Files: GroundTruth-SparseAnnotations/annotations/{train,val}/<video>.json (epic-kitchens/VISOR-VIS README.md), outlines
in pixels of 1920x1080. A json's video is joined to the ego video of the take of that name. One row in is one mask, or
one frame that should hold some and cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import Tables
from components.data.sources.shared.json_fields import MemberError, member
from components.data.sources.shared.json_stream import json_items
from components.records import content_id

SOURCE = "visor"
ANNOTATIONS = "GroundTruth-SparseAnnotations/annotations"
SIZE_PX = (1920, 1080)
MISSPELT = {"rigth hand": "right hand"}  # known erratum, VISOR-HOS
_FRAME = re.compile(r"_frame_([0-9]{1,12})\.jpg$")

reject = partial(json_fields.reject_row, SOURCE)


def read(root: Path, *, videos: pa.Table) -> Iterator[Tables]:
    """Read the annotations below `root` in batches.

    Args:
        root: folder of the source.
        videos: columns of `records.VIDEO`, among them `take_name` and `view`; of two ego videos of takes with one name
            the first counts.

    Yields:
        tables {"boxes"} (percent of the frame, the smallest box round all polygons of a mask) and the rejects; each
        mask read is in exactly one of them.

    Raises:
        ValueError: there is no annotation below `root`, or a file is broken (names it).
    """
    files = sorted((root / ANNOTATIONS).glob("*/*.json"))
    if not files:
        raise ValueError(
            f"{root / ANNOTATIONS}: no <split>/<video>.json there; download VISOR, make the miniature world "
            "(`dvc repro world`), or mend sources.visor in params/data.yaml"
        )
    ego = json_fields.row_lookup(videos.filter(pc.field("view") == "ego"), "take_name")
    yield from json_fields.in_batches(chain.from_iterable(_masks(file, ego) for file in files), "boxes")


def _masks(file: Path, ego: Callable[[str], dict | None]) -> Iterator[dict]:
    """Return the box or the reject of each mask in a file."""
    for position, frame in json_items(file, source=SOURCE, kind=list, name="video_annotations"):
        try:
            image, masks = member(frame, "image", dict), member(frame, "annotations", list)
            name, video = member(image, "name", str), member(image, "video", str)
        except MemberError as error:
            lost = json_fields.lost_row_ids(frame, "annotations", f"{file.name}:{position}")
            yield from (reject(row_id, "bad_member", error) for row_id in lost)
            continue
        for number, mask in enumerate(masks):
            yield _box(mask, number, name, video, ego(video))


def _box(mask: object, at: int, image: str, video_name: str, video: dict | None) -> dict:
    """Return the box of a mask, the one at position `at` of its image, or its reject."""
    try:
        mask_id, label = member(mask, "id", (str, int)), member(mask, "name", str)
        segments = member(mask, "segments", list)
    except MemberError as error:
        return reject(f"{image}/{at}", "bad_member", error)
    refuse = partial(reject, f"{image}/{mask_id}")
    number = _FRAME.search(image)
    if video is None:
        return refuse("no_video", video_name)
    if number is None:
        return refuse("bad_image_name", image)
    if int(number[1]) >= round(video["duration_s"] * video["fps"]):
        return refuse("outside_video", f"frame {int(number[1])} of {video['duration_s']:g} s at {video['fps']:g}/s")
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
        "frame": int(number[1]),
        "time_s": int(number[1]) / video["fps"],
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
