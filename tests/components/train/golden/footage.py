"""A data folder of a few samples, with arithmetic for frames: golden values are of training, not of the data graph."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from components import params, records
from components.data.frames.contract import CONTRACT, digest_of
from components.data.frames.shards import SHARD, shard_path
from components.data.frames.step import contract_of
from components.data.frames.store import INDEX

ROOT = Path(__file__).parents[4]
SIZE_PX = 64
FRAMES = {"size_px": SIZE_PX, "image_frames": 2, "clip_frames": 4, "window_frames": 8, "jpeg_quality": 95}
TAKES = 4
SCENES = ("picks up the red cup with the right hand", "washes the blue pan", "cuts the bread", "opens the green box")
WORDS = [*SCENES, "what does C do? C . where is when does which ? [12, 32, 40, 56] (3, 6)", "Choose one of: ; Think <>"]


def write(folder: Path) -> Path:
    """Write data/dataset and data/frames below a folder, and the parameters that fit; return the folder."""
    rows = samples()
    records.write_table(folder / "data/dataset/samples.parquet", rows, records.SAMPLE)
    _write_frames(folder / "data/frames", rows)
    _write_params(folder / "data.yaml")
    return folder


def settings(folder: Path) -> params.Data:
    """Return the parameters of the data that `write` has written."""
    return params.load(folder / "data.yaml", params.Data)


def samples() -> list[dict]:
    """Return rows of every task, view and kind of target; those of one take show the same frames."""
    rows = []
    for number in range(TAKES):
        text, take = f"C {SCENES[number]}.", f"take{number}"
        ego, *exo = ([_media(f"{take}-{camera}", view, number)] for camera, view in _CAMERAS)
        shows = {"take_id": take, "view": "ego", "media": ego, "paired": [each[0] for each in exo]}
        plain = _target("text", text=text)
        rows.append(shows | _asks("egoexoclip", "caption", "what does C do?", text, plain))
        outside = shows | {"view": "exo", "media": exo[0], "paired": []}
        rows.append(outside | _asks("egoexoclip", "caption", "what does C do?", text, plain))
        rows.append(shows | _asks("egoit", "caption", "what does C do here?", text, plain))
        choices = [SCENES[(number + turn) % TAKES] for turn in range(3)]
        target = _target("choice", choices=choices, answer_index=0)
        for when in ("now", "first"):
            rows.append(shows | _asks("egore", "qa", f"which does C do {when}?", choices[0], target))
        target = _target("box", box_xyxy=[10.0 + number, 20.0, 40.0 + 10 * number, 60.0])
        told = f"<think>it is there</think><answer>[{10 + number}, 20, {40 + 10 * number}, 60]</answer>"
        rows.append(shows | _asks("egore", "ground_spatial", "where is the cup?", told, target, "image"))
        span = {"start_s": 1.0 + number, "end_s": 4.0 + number}
        told = f"<think>C {SCENES[number]}</think><answer>({number + 1}, {number + 4})</answer>"
        asks = _asks("egore", "ground_temporal", "when does C do it?", told, _target("span", span=span), "window")
        rows += [shows | asks, outside | asks]
    return [{"sample_id": f"{place:032x}", "split": "train"} | row for place, row in enumerate(rows)]


_CAMERAS = (("ego", "ego"), ("cam1", "exo"), ("cam2", "exo"))


def _media(video: str, view: str, number: int) -> dict:
    return {"video_id": video, "view": view, "start_s": 2.0 * number, "end_s": 2.0 * number + 8}


def _target(kind: str, **member: object) -> dict:
    return dict.fromkeys(("text", "choices", "answer_index", "span", "box_xyxy")) | {"kind": kind} | member


def _asks(corpus: str, task: str, question: str, answer: str, target: dict, kind: str = "clip") -> dict:
    asked = {"corpus": corpus, "task": task, "question_type": "what", "question": question, "answer": answer}
    return asked | {"target": target, "frame_kind": kind, "parents": [question]}


def _write_frames(folder: Path, rows: list[dict]) -> None:
    folder.mkdir(parents=True)
    pictures: list[bytes] = []
    index = []
    for row in rows:
        count = FRAMES[f"{row['frame_kind']}_frames"]
        for stream in ("media", "paired"):
            places = []
            for media in row[stream]:
                places += range(len(pictures), len(pictures) + count)
                pictures += [_picture(media["video_id"], time) for time in range(count)]
            index.append({"sample_id": row["sample_id"], "stream": stream, "rows": places})
    with pa.ipc.new_file(str(shard_path(folder, 0)), SHARD) as file:
        file.write_table(pa.table({"jpeg": pa.array(pictures, pa.binary())}, schema=SHARD))
    pq.write_table(pa.Table.from_pylist(index, INDEX), folder / "index.parquet")
    files = {path.name: digest_of(path) for path in sorted(folder.iterdir())}
    counts = {"frames": len(pictures), "shards": 1, "shard_frames": 20000, "files": files}
    frames = params.Frames.model_validate(FRAMES | {"shard_frames": 20000})
    (folder / CONTRACT).write_text(json.dumps(contract_of(frames) | counts))


def _picture(video: str, time: int) -> bytes:
    """Encode a frame without loss, so that it is the same whatever reads it."""
    seed = sum(map(ord, video))
    y, x, channel = np.indices((SIZE_PX, SIZE_PX, 3))
    wave = (x * (3 + channel + seed % 5) + y * (5 + seed % 7) + time * 17 + seed * 13) % 256
    done, encoded = cv2.imencode(".png", wave.astype(np.uint8))
    assert done
    return encoded.tobytes()


def _write_params(path: Path) -> None:
    """Write params/data.yaml with every number of its own that a stage reads."""
    values = YAML(typ="safe").load((ROOT / "params/data.yaml").read_text())
    values["frames"] |= FRAMES
    values["world"]["size_px"] = SIZE_PX
    values["egore"] |= {"box_grid": 4, "time_step_s": 1.0}
    with path.open("w") as file:
        YAML().dump(values, file)
