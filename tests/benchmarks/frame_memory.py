"""What 256 frames of 224 px take: stored, and in a process that reads them; and what the distance of key frames costs.

Run as: python -m tests.benchmarks.frame_memory

The frames are of a film that pans over a picture with coarse and fine detail (tests/benchmarks/fetch.py), stored by the
step `frames` with the JPEG quality of params/data.yaml, as 64 samples of four. A process of its own reads them all,
some times over, as a worker of a loader does: each sample is dropped before the next is read. Counted is what it holds
more after than before, memory of its own (anonymous) and pages of mapped files, which all workers of a machine share.
The other side is the same frames as float32, as a loader that keeps normalised pixels has them.

Random access: CPU seconds of single frames of two films with the same pixels by the same encoder, which differ in the
distance of their key frames: that of components/video/writing.py, and the default of x264.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from components import params, records, video
from components.data.frames import step as frames
from components.data.frames.store import FrameStore
from tests.benchmarks import fetch, rows

FRAMES, SIZE_PX, OF_SAMPLE = 256, 224, 4
EPOCHS, READ = 3, 60  # READ: single frames of each film
GOP, DEFAULT_GOP = 8, 250  # what components/video/writing.py writes, and what x264 does


def store(folder: Path) -> list[str]:
    """Write a film and the frame store of its samples below a folder; return the ids of the samples."""
    given = params.load(fetch.ROOT / "params/data.yaml", params.Data)
    sources = given.sources.model_copy(update={"egoexo4d": folder / "films"})
    stored = given.frames.model_copy(update={"size_px": SIZE_PX, "clip_frames": OF_SAMPLE})
    case = fetch.Case(448, 448, 8, SIZE_PX, n_frames=OF_SAMPLE, clip_s=0.5, films=1)
    videos = fetch.films(folder / "films", case)
    starts_s = np.linspace(0, fetch.FILM_S - case.clip_s, FRAMES // OF_SAMPLE).tolist()
    like = fetch.samples(videos, case)[0]
    asked = [
        like | {"sample_id": f"s{number}", "media": [span | {"start_s": start_s, "end_s": start_s + case.clip_s}]}
        for span in like["media"]
        for number, start_s in enumerate(starts_s)
    ]
    records.write_table(folder / "data/annotations/videos.parquet", videos, records.VIDEO)
    records.write_table(folder / "data/dataset/samples.parquet", asked, records.SAMPLE)
    frames.run(given.model_copy(update={"sources": sources, "frames": stored}), folder / "data")
    return [sample["sample_id"] for sample in asked]


def resident(folder: Path, ids: list[str]) -> dict[str, float]:
    """Read all samples of a store some times; return the megabytes that this process holds more, by kind."""
    opened = FrameStore(folder)
    opened.frames(ids[0])  # the decoder itself is loaded
    before = _held_mb()
    for _ in range(EPOCHS):
        for sample_id in ids:
            assert opened.frames(sample_id).shape == (OF_SAMPLE, SIZE_PX, SIZE_PX, 3)
    grown = {kind: held - before[kind] for kind, held in _held_mb().items()}
    return grown | {"all": sum(grown.values())}


def _held_mb() -> dict[str, float]:
    status = Path("/proc/self/status").read_text()
    kinds = {"anonymous": "RssAnon", "mapped": "RssFile"}
    return {kind: int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024 / 1e6 for kind, name in kinds.items()}


def access_s(path: Path, wanted: np.ndarray) -> float:
    """Return the CPU seconds of reading single frames of a film, each by itself."""
    return fetch.cpu_s(lambda: [video.decode(path, np.array([index]), size_px=SIZE_PX) for index in wanted])[0]


def random_access(folder: Path, count: int = READ) -> dict[str, float]:
    """Write a film twice and read single frames of both; return CPU seconds and megabytes by distance of key frames."""
    found = {}
    for gop in (GOP, DEFAULT_GOP):
        path = folder / f"{gop}.mp4"
        fetch.write_film(path, fetch.Case(448, 448, gop, SIZE_PX, n_frames=1, clip_s=1.0, films=1))
        wanted = np.random.default_rng(0).integers(0, round(fetch.FILM_S * fetch.FPS), count)
        found |= {f"{gop} CPU s": access_s(path, wanted), f"{gop} MB": path.stat().st_size / 1e6}
    return found


def main() -> None:
    """Measure, print the table and write the rows."""
    with (
        TemporaryDirectory() as name,
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone,
    ):
        folder = Path(name)
        ids = alone.submit(store, folder).result()
        stored_mb = sum(path.stat().st_size for path in (folder / "data/frames").glob("*.arrow")) / 1e6
        held = alone.submit(resident, folder / "data/frames", ids).result()
        access = alone.submit(random_access, folder).result()
    print(json.dumps({"held": held, "access": access}, indent=2))
    floats_mb = FRAMES * SIZE_PX * SIZE_PX * 3 * 4 / 1e6
    what = f"frames: {FRAMES} of {SIZE_PX} px"
    made = [
        rows.row(f"{what}, as stored, against float32", stored_mb, floats_mb, unit="MB"),
        rows.row(f"{what}, resident in a worker beyond one batch, against float32", held["all"], floats_mb, unit="MB"),
        rows.row(f"{what}, of these pages of its own", held["anonymous"], unit="MB"),
        rows.row(
            f"frames: {READ} single ones of a 448x448 film, key frame every {GOP}, against every {DEFAULT_GOP}",
            access[f"{GOP} CPU s"],
            access[f"{DEFAULT_GOP} CPU s"],
            unit="CPU s",
        ),
        rows.row(
            f"frames: a 448x448 film of a minute, key frame every {GOP}, against every {DEFAULT_GOP}",
            access[f"{GOP} MB"],
            access[f"{DEFAULT_GOP} MB"],
            unit="MB",
        ),
    ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
