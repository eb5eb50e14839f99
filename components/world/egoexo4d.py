"""Write the miniature takes in Ego-Exo4D's on-disk layout.

Layout and keys: EGO4D/Ego-Exo4D-docs docs/data/{metadata,takes}.md, docs/annotations/{atomic_descriptions,keystep}.md.
Dropped takes have no films, and test takes no annotations, as in the release.
"""

from __future__ import annotations

import json
from pathlib import Path

from components.prompts.kitchen_grammar import VERBS
from components.world.films import Film
from components.world.narrate import annotate
from components.world.plan import PlannedTake, WorldPlan, seeded_uid

EGO_FILE = "frame_aligned_videos/aria01_214-1.mp4"
EXO_CAMERAS = ("cam01", "cam02")
FILES = {"ego": EGO_FILE} | {camera: f"frame_aligned_videos/{camera}.mp4" for camera in EXO_CAMERAS}
SCENARIO = "Miniature cooking"
TAKES_PER_CAPTURE = 8


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write takes.json, captures.json, participants.json, splits, atomic descriptions and keysteps.

    Returns:
        The films of every take that was not dropped: one ego and two exo views.
    """
    planned, seed = plan.takes, plan.seed
    captures = {number: _capture(number, seed=seed) for number in {_capture_number(take) for take in planned}}
    _dump(root / "takes.json", [_take(take, captures[_capture_number(take)], seed=seed) for take in planned])
    _dump(root / "captures.json", [captures[number] for number in sorted(captures)])
    _dump(root / "participants.json", [_participant(number) for number in sorted(captures)])
    annotations = root / "annotations"
    _dump(annotations / "splits.json", _splits(planned))
    for split in ("train", "val"):  # the release has none for test
        chosen = [take for take in planned if take.split == split and not take.is_dropped]
        narrated = {take.uid: annotate(take, seed=seed) for take in chosen if take.is_narrated}
        _dump(annotations / f"atomic_descriptions_{split}.json", {"annotations": narrated, "ds": "2026-01-01"})
        _dump(annotations / f"keystep_{split}.json", _keysteps(chosen, seed=seed))
    files = {view: Path(file) for view, file in FILES.items()}
    if plan.downscaled_takes:
        files = {view: file.parent / "downscaled/448" / file.name for view, file in files.items()}
    return [
        Film(root / "takes" / take.name / file, take.take, 0.0, take.take.take_s, plan.fps, view)
        for take in planned
        if not take.is_dropped
        for view, file in files.items()
    ]


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def _capture_number(planned: PlannedTake) -> int:
    return planned.number // TAKES_PER_CAPTURE


def _capture(number: int, *, seed: int) -> dict:
    def camera(name: str, *, is_ego: bool, device: str) -> dict:
        return {
            "cam_id": name,
            "is_ego": is_ego,
            "has_walkaround": name == "mobile",
            "includes_audio": is_ego,
            "device_type": device,
            "relative_path": f"captures/cooking{number:02d}/videos/{name}.mp4",
            "video_artifact_uid": seeded_uid(seed, "artifact", number, name),
        }

    cameras = [camera("aria01", is_ego=True, device="aria")]
    cameras += [camera(name, is_ego=False, device="hero10") for name in EXO_CAMERAS]
    cameras.append(camera("mobile", is_ego=False, device="mobile"))  # the walk-around phone: in no take
    return {
        "root_dir": f"captures/cooking{number:02d}",
        "capture_name": f"cooking{number:02d}",
        "capture_uid": seeded_uid(seed, "capture", number),
        "university_name": "miniature",
        "physical_setting_uid": number % 4,
        "ds_recorded": 1_700_000_000 + 3600 * number,
        "has_trajectory": False,
        "has_gaze": False,
        "timesync_validated": True,
        "validated": True,
        "cameras": cameras,
    }


def _participant(number: int) -> dict:
    return {
        "participant_uid": 100 + number,
        "university_name": "miniature",
        "collection_date": "2023-03-09",
        "metadata": json.dumps({"has_experience": number % 2 == 0}),  # a JSON string inside JSON, as in the release
    }


def _take(planned: PlannedTake, capture: dict, *, seed: int) -> dict:
    def stream(camera: str, stream_id: str, name: str, path: str | None) -> dict:
        clip_uid = None if path is None else seeded_uid(seed, "clip", planned.number, camera, name)
        return {
            "cam_id": camera,
            "stream_id": stream_id,
            "readable_stream_id": name,
            "clip_uid": clip_uid,
            "relative_path": path,
        }

    videos = {
        "aria01": {
            "rgb": stream("aria01", "214-1", "rgb", EGO_FILE),
            "slam-left": stream("aria01", "1201-1", "slam-left", "frame_aligned_videos/aria01_1201-1.mp4"),
            "et": stream("aria01", "211-1", "et", "frame_aligned_videos/aria01_211-1.mp4"),
        },
        **{name: {"0": stream(name, "0", "0", FILES[name])} for name in EXO_CAMERAS},
        "collage": {"0": stream("collage", "0", "0", "ego_preview.mp4")},
        "best_exo": {"0": stream("best_exo", "0", "0", None)},
    }
    if planned.number % 25 == 11:  # a camera that failed
        videos["cam02"]["0"] = stream("cam02", "0", "0", None)
    return {
        "root_dir": f"takes/{planned.name}",
        "take_name": planned.name,
        "take_uid": planned.uid,
        "participant_uid": 100 + _capture_number(planned),
        "is_dropped": planned.is_dropped,
        "is_narrated": planned.is_narrated,
        "validated": True,
        "objects": [],
        "best_exo": (None, "cam01", "cam02")[planned.number % 3],
        "task_start_sec": 0.0 if planned.number % 5 else None,
        "task_end_sec": planned.take.take_s if planned.number % 5 else None,
        "task_id": 1000 + planned.number % 3,
        "task_name": SCENARIO,
        "parent_task_id": 1000,
        "parent_task_name": "Cooking",
        "take_idx": planned.number % TAKES_PER_CAPTURE,
        "duration_sec": planned.take.take_s,
        "physical_setting_uid": capture["physical_setting_uid"],
        "university_name": "miniature",
        "capture_uid": capture["capture_uid"],
        "capture": capture,
        "frame_aligned_videos": videos,
    }


def _splits(planned: list[PlannedTake]) -> dict:
    by_split = {split: [take.uid for take in planned if take.split == split] for split in ("train", "val", "test")}
    return {
        "take_uid_to_split": {take.uid: take.split for take in planned},
        "split_to_take_uids": by_split,
        "take_uid_to_benchmark": {take.uid: ["atomic_action_descriptions", "keystep"] for take in planned},
    }


def _keysteps(planned: list[PlannedTake], *, seed: int) -> dict:
    steps = {verb: number for number, verb in enumerate(VERBS, start=1)}
    annotations = {}
    for take in planned:
        segments = [
            {
                "start_time": event.start_s,
                "end_time": event.end_s,
                "step_id": steps[event.verb],
                "step_name": f"C {event.verb} something",
                "step_description": f"C {event.verb} the {take.take.facts(event).object}",
                "is_essential": True,
                "step_unique_id": 800 + steps[event.verb],
            }
            for event in take.take.events
        ]
        meta = {"annotation_uid": seeded_uid(seed, "keystep", take.number), "annotator_id": 5792777457490871}
        annotations[take.uid] = {
            "take_uid": take.uid,
            "take_name": take.name,
            "scenario": SCENARIO,
            "annotation_meta": meta,
            "segments": segments,
        }
    vocabulary = {str(800 + number): f"C {verb} something" for verb, number in steps.items()}
    leaves = {
        str(number): {
            "id": number,
            "is_leafnode": True,
            "name": vocabulary[str(800 + number)],
            "parent_id": 0,
            "parent_name": SCENARIO,
            "unique_id": 800 + number,
        }
        for number in steps.values()
    }
    return {"annotations": annotations, "taxonomy": {SCENARIO: leaves}, "vocabulary": vocabulary}
