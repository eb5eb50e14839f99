"""VISOR sparse annotations on disk -> rows of `records.BOX_LABEL`.

Files: GroundTruth-SparseAnnotations/annotations/{train,val}/<video>.json (epic-kitchens/VISOR-VIS README.md), outlines
in pixels of 1920x1080. A json's video is joined to the ego video of the take of that name. One row in is one mask.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from components.records import content_id

SOURCE = "visor"
ANNOTATIONS = "GroundTruth-SparseAnnotations/annotations"
SIZE_PX = (1920, 1080)
MISSPELT = {"rigth hand": "right hand"}  # known erratum, VISOR-HOS
_FRAME = re.compile(r"_frame_(\d+)\.jpg$")


def read(root: Path, *, videos: list[dict]) -> tuple[dict[str, list[dict]], list[dict]]:
    """Read the annotations below `root`.

    Args:
        videos: rows of `records.VIDEO`.

    Returns:
        tables {"boxes"} (percent of the frame, the smallest box round all polygons of a mask) and the rejects; each
        mask read is in exactly one of them.

    Raises:
        ValueError: there is no annotation below `root`.
    """
    files = sorted((root / ANNOTATIONS).glob("*/*.json"))
    if not files:
        raise ValueError(
            f"{root / ANNOTATIONS}: no <split>/<video>.json there; download VISOR, make the miniature world "
            "(`dvc repro world`), or mend sources.visor in params/data.yaml"
        )
    ego = {video["take_name"]: video for video in videos if video["view"] == "ego"}
    boxes: list[dict] = []
    rejects: list[dict] = []
    for file in files:
        for frame in json.loads(file.read_text())["video_annotations"]:
            image = frame["image"]
            for mask in frame["annotations"]:
                row = _box(mask, image, ego.get(image["video"]))
                (rejects if "reason" in row else boxes).append(row)
    return {"boxes": boxes}, rejects


def _box(mask: dict, image: dict, video: dict | None) -> dict:
    """Give the box of a mask, or its reject."""

    def refuse(reason: str, detail: object) -> dict:
        row_id = f"{image['name']}/{mask['id']}"
        return {"step": f"annotations/{SOURCE}", "row_id": row_id, "reason": reason, "detail": str(detail)}

    number = _FRAME.search(image["name"])
    polygons = [polygon for polygon in mask["segments"] if len(polygon) >= 3]
    if video is None:
        return refuse("no_video", image["video"])
    if number is None:
        return refuse("bad_image_name", image["name"])
    if int(number[1]) >= round(video["duration_s"] * video["fps"]):
        return refuse("outside_video", f"frame {int(number[1])} of {video['duration_s']:g} s at {video['fps']:g}/s")
    if not polygons:
        return refuse("under_three_points", mask["name"])
    points = np.concatenate([np.asarray(polygon, dtype=np.float64) for polygon in polygons])
    percent = np.clip(points / SIZE_PX * 100, 0, 100)
    box = [*percent.min(axis=0).tolist(), *percent.max(axis=0).tolist()]
    if box[0] >= box[2] or box[1] >= box[3]:
        return refuse("empty_box", box)
    return {
        "box_id": content_id(SOURCE, image["name"], mask["id"]),
        "source": SOURCE,
        "take_id": video["take_id"],
        "video_id": video["video_id"],
        "frame": int(number[1]),
        "time_s": int(number[1]) / video["fps"],
        "name": MISSPELT.get(mask["name"], mask["name"]),
        "box_xyxy": box,
        "split": video["split"],
    }
