"""Ego-Exo4D on disk -> rows of `records.VIDEO` and `records.NARRATION`.

Files: takes.json, annotations/splits.json, annotations/atomic_descriptions_{train,val}.json and the frame-aligned
videos (EGO4D/Ego-Exo4D-docs docs/data/takes.md, docs/annotations/atomic_descriptions.md). Annotations are keyed by
take uid, folders by take name. One row in is one stream of a take, or one description.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from components.records import content_id
from components.video import PathError, Probe, VideoError, inside

SOURCE = "egoexo4d"
SPLITS = {"train": "train", "val": "test"}  # the test split has no annotations; its val is our held-out benchmark
PSEUDO_CAMERAS = ("collage", "best_exo", "mobile", "moblie")
FLAGS = {True: True, False: False, "1": True, "0": False}  # 1 and 0 equal True and False; older rows have strings


def read(root: Path, *, probe: Callable[[Path], Probe]) -> tuple[dict[str, list[dict]], list[dict]]:
    """Read the release below `root`.

    Args:
        probe: gives the length of a video file, or raises VideoError.

    Returns:
        tables {"videos", "narrations"} and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: a file of the release is missing (names it).
    """
    takes = _load(root / "takes.json")
    split_of = _load(root / "annotations/splits.json")["take_uid_to_split"]
    videos: list[dict] = []
    rejects: list[dict] = []
    for take in takes:
        _read_take(take, split_of.get(take["take_uid"]), root, probe, videos, rejects)
    narrations: list[dict] = []
    known = {take["take_uid"]: None for take in takes} | {video["take_id"]: video["split"] for video in videos}
    for split in SPLITS:
        described = _load(root / f"annotations/atomic_descriptions_{split}.json")["annotations"]
        _read_descriptions(described, known, narrations, rejects)
    return {"videos": videos, "narrations": narrations}, rejects


def takes(root: Path) -> list[dict]:
    """Give every take of the release: `take_id`, `scenario` and the reason why it is `refused` whole, or None.

    Raises:
        ValueError: takes.json or annotations/splits.json is missing (names it).
    """
    split_of = _load(root / "annotations/splits.json")["take_uid_to_split"]
    return [
        {
            "take_id": take["take_uid"],
            "scenario": take["parent_task_name"],
            "refused": (_refuse_take(take, split_of.get(take["take_uid"])) or (None,))[0],
        }
        for take in _load(root / "takes.json")
    ]


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; download it (`egoexo --parts metadata annotations`), make the miniature world "
            "(`dvc repro world`), or mend sources.egoexo4d in params/data.yaml"
        )
    return json.loads(path.read_text())


def reject(row_id: str, reason: str, detail: object = "") -> dict:
    """Give a row of `records.REJECT`."""
    return {"step": f"annotations/{SOURCE}", "row_id": row_id, "reason": reason, "detail": str(detail)}


def _read_take(
    take: dict,
    split: str | None,
    root: Path,
    probe: Callable[[Path], Probe],
    videos: list[dict],
    rejects: list[dict],
) -> None:
    is_ego = {camera["cam_id"]: camera["is_ego"] for camera in take["capture"]["cameras"]}
    has_ego = False
    for camera, streams in sorted(take["frame_aligned_videos"].items()):
        for name, stream in streams.items():
            row_id = f"{take['take_uid']}/{camera}/{name}"
            refused = _refuse_take(take, split) or _refuse_stream(camera, stream, is_ego, has_ego=has_ego)
            if refused is not None:
                rejects.append(reject(row_id, *refused))
                continue
            path = str(PurePosixPath(take["root_dir"]) / stream["relative_path"])
            try:
                file = inside(root, path)
                if not file.is_file():
                    rejects.append(reject(row_id, "file_missing", path))
                    continue
                length = probe(file)
            except PathError as error:
                rejects.append(reject(row_id, "path_outside_root", error))
                continue
            except VideoError as error:
                rejects.append(reject(row_id, "unreadable_video", error))
                continue
            has_ego = has_ego or is_ego[camera]
            videos.append(
                {
                    "video_id": content_id(SOURCE, take["take_uid"], camera),
                    "source": SOURCE,
                    "take_id": take["take_uid"],
                    "take_name": take["take_name"],
                    "camera_id": camera,
                    "view": "ego" if is_ego[camera] else "exo",
                    "path": path,
                    "duration_s": length.duration_s,
                    "fps": length.fps,
                    "split": SPLITS[split],
                }
            )


def _refuse_take(take: dict, split: str | None) -> tuple[str, object] | None:
    if take["is_dropped"]:
        return "take_dropped", take["take_name"]
    if split not in SPLITS:
        return ("test_split" if split == "test" else "unknown_split"), split
    return None


def _refuse_stream(camera: str, stream: dict, is_ego: dict, *, has_ego: bool) -> tuple[str, object] | None:
    if camera in PSEUDO_CAMERAS:
        return "pseudo_camera", camera
    if camera not in is_ego:
        return "camera_not_in_capture", camera
    if is_ego[camera]:
        if stream["readable_stream_id"] != "rgb":  # slam, eye tracking, or a GoPro worn as second ego camera
            return "not_the_ego_stream", stream["readable_stream_id"]
        if has_ego:
            return "second_ego_camera", camera
    elif not camera.startswith(("cam", "gp")):
        return "not_an_exo_camera", camera
    if stream["relative_path"] is None:
        return "null_path", camera
    return None


def _read_descriptions(
    described: dict, split_of_take: dict[str, str | None], narrations: list[dict], rejects: list[dict]
) -> None:
    """Read the descriptions of one file; the split of a take without a usable video is None."""
    for take_id, of_take in described.items():
        for annotation in of_take:
            for number, said in enumerate(annotation["descriptions"]):
                row_id = f"{annotation['annotation_uid']}/{number}"
                flags = [FLAGS.get(said["ego_visible"]), FLAGS.get(said["unsure"])]
                if annotation["rejected"]:
                    rejects.append(reject(row_id, "annotation_rejected", annotation["reject_reason"]))
                elif take_id not in split_of_take:
                    rejects.append(reject(row_id, "no_take", take_id))
                elif split_of_take[take_id] is None:
                    rejects.append(reject(row_id, "no_video", take_id))
                elif None in flags:
                    rejects.append(reject(row_id, "bad_flag", (said["ego_visible"], said["unsure"])))
                elif not isinstance(said["timestamp"], (int, float)):
                    rejects.append(reject(row_id, "no_timestamp", said["text"]))
                else:
                    narrations.append(
                        {
                            "narration_id": content_id(SOURCE, row_id),
                            "source": SOURCE,
                            "take_id": take_id,
                            "annotator_id": str(annotation["annotator_id"]),
                            "time_s": float(said["timestamp"]),
                            "text": said["text"],
                            "ego_visible": flags[0],
                            "unsure": flags[1],
                            "split": split_of_take[take_id],
                        }
                    )
