"""The step `annotations` holds neither the narrations, boxes and intervals of takes nor the files that they lie in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.data.sources import egoexo4d, egoexolearn, visor

READ = """
import json, sys, time
from pathlib import Path
from unittest import mock
from components import params
from components.data import annotations
from components.video.killable_worker import KillableWorker
from components.video import Probe

project = Path(sys.argv[1])
sources = params.Sources(egoexo4d="egoexo4d", visor="visor", egoexolearn="egoexolearn")
parameters = params.load(Path("params/data.yaml"), params.Data).model_copy(update={"sources": sources})
# no film is decoded: only tables are measured
with mock.patch.object(KillableWorker, "call", lambda self, function, path, fps: Probe(100.0, 8.0, 800)):
    made = annotations.run(parameters, project / "data")
# VmHWM is of this process alone: ru_maxrss begins with that of the one that started it
peak_kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"mib": int(peak_kib) / 1024, "cpu_s": time.process_time()} | made["counts"]))
"""
SQUARE = [[[192.0, 108.0], [384.0, 108.0], [384.0, 540.0], [192.0, 540.0]]]


def write_takes(root: Path, *, takes: int, said: int) -> None:
    """Write takes of an ego and an exo film, all the same two, with so many descriptions each."""
    listed, told = [], {}
    for number in range(takes):
        uid = f"{number:08x}-8896-4c86-8a5a-929999799d36"
        streams = {"aria01": {"rgb": "aria01.mp4"}, "cam01": {"0": "cam01.mp4"}}
        listed.append(
            {"take_uid": uid, "take_name": f"kitchen_{number}", "root_dir": "takes/a", "is_dropped": False}
            | {"capture": {"cameras": [{"cam_id": "aria01", "is_ego": True}, {"cam_id": "cam01", "is_ego": False}]}}
            | {
                "frame_aligned_videos": {
                    camera: {
                        name: {"readable_stream_id": name, "relative_path": path} for name, path in of_camera.items()
                    }
                    for camera, of_camera in streams.items()
                }
            }
        )
        descriptions = [
            {"text": f"C touches the screw of hub {at} with his right hand.", "timestamp": at / 10, "unsure": False}
            | {"narration_subject": "C", "ego_visible": True, "best_exo": {"raw_cam_id": "2", "cam_id": "cam02"}}
            for at in range(said)
        ]
        annotation = {"annotation_uid": f"fe6b4107-{number:08x}", "annotator_id": "5284063695022975"}
        annotation |= {"rejected": False, "reject_reason": None, "descriptions": descriptions}
        told[uid] = [annotation]
    (root / "annotations").mkdir(parents=True)
    (root / "takes/a").mkdir(parents=True)
    for film in ("aria01.mp4", "cam01.mp4"):
        (root / "takes/a" / film).touch()
    splits = {"take_uid_to_split": dict.fromkeys(told, "train")}
    for path, content in (
        (egoexo4d.TAKES_FILE, listed),
        (egoexo4d.SPLITS_FILE, splits),
        (egoexo4d.DESCRIPTIONS_FILE.format("train"), {"ds": "221212", "annotations": told, "take_cam_id_map": {}}),
        (egoexo4d.DESCRIPTIONS_FILE.format("val"), {"annotations": {}}),
    ):
        (root / path).write_text(json.dumps(content))


def write_masks(root: Path, *, images: int) -> None:
    """Write the outlines of the first take, five in an image, in one file."""
    frames = []
    for number in range(images):
        image = {"name": f"a_frame_{number % 800:010d}.jpg", "video": "kitchen_0"}
        masks = [{"id": f"{number}-{mask}", "name": "red cup", "segments": SQUARE} for mask in range(5)]
        frames.append({"image": image, "annotations": masks})
    path = root / visor.ANNOTATIONS / "train/kitchen_0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"info": {"Dataset Name": "VISOR"}, "video_annotations": frames}))


def write_intervals(root: Path, *, count: int) -> None:
    (root / egoexolearn.FILE).parent.mkdir(parents=True)
    with (root / egoexolearn.FILE).open("w") as file:
        file.write(",".join(egoexolearn.COLUMNS) + "\n")
        file.writelines(
            f"00000000-8896-4c86-8a5a-929999799d36,{n},train,ego,{n % 90},{n % 90 + 3},C cuts the fish {n}\n"
            for n in range(count)
        )


def read(folder: Path, takes: int) -> dict:
    """Write 100 narrations, 15 boxes and 15 intervals a take; give counts, peak memory and CPU time of reading."""
    write_takes(folder / "egoexo4d", takes=takes, said=100)
    write_masks(folder / "visor", images=3 * takes)
    write_intervals(folder / "egoexolearn", count=15 * takes)
    done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_memory_does_not_grow_with_the_rows_of_takes(tmp_path):
    few, many = (read(tmp_path / str(takes), takes) for takes in (300, 3000))
    assert {name: many[name] for name in ("videos", "narrations", "boxes", "intervals", "rejects")} == {
        "videos": 6_000,
        "narrations": 300_000,
        "boxes": 45_000,
        "intervals": 45_000,
        "rejects": 0,
    }
    # it grew by 54 MiB: batches that are full, and 8 bytes an id; with the tables in memory it was 380 MiB
    assert many["mib"] < few["mib"] + 120, (few, many)
