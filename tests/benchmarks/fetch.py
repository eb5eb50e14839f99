"""Frames of samples from the shards, against decoding each sample's video anew with decord.

Run as: python -m tests.benchmarks.fetch

CPU seconds of all processes. Both sides give the same frames (asserted, up to JPEG). A film pans over a still, as a
head does, and is copied as often as there are films. How far apart its key frames are decides what decord has to decode
before it comes to the frame: every 250 frames is x264's default and that of most downloads, every 8 the miniature
world's and the worst case for us. 448 pixels are Ego-Exo4D's downscaled takes. Samples lie as close as the clips of
Ego-ExoClip: one for every two seconds. The first epoch of ours includes the whole step: sampling, decoding, writing
the shards. It has one decoding process here, as the peer has: two would slow each other on a machine of few cores.
Planning is the step without decoding.
"""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
import numpy as np
import pyarrow as pa

from components import params, records, video
from components.data.frames import sampling, shards
from components.data.frames import step as frames
from components.data.frames.store import FrameStore
from tests.benchmarks import rows
from tests.benchmarks.clips import TAKE_S, VIDEOS, _peak_gb, timed

ROOT = Path(__file__).parents[2]
FILM_S, FPS = 60.0, 30
EVERY_S = 2.0  # of film for each sample: systems §1.2 has 1.1M clips in 623.6 h
SAMPLES, CLIP_S = 1_000_000, 1.0  # planned at once


class Case(NamedTuple):
    """One pair of rows."""

    width: int
    height: int
    gop: int  # frames from key frame to key frame
    size_px: int  # of a stored frame
    n_frames: int  # of a sample
    clip_s: float
    films: int

    def __str__(self) -> str:
        film = f"{self.width}x{self.height} film, key frame every {self.gop}"
        return f"{self.n_frames} frames at {self.size_px} px of {self.clip_s:g} s ({film})"

    @property
    def samples(self) -> int:
        """Give how many there are of each film."""
        return round(FILM_S / EVERY_S)


CASES = (
    Case(448, 448, 250, 224, n_frames=8, clip_s=2.0, films=4),
    Case(1280, 720, 250, 336, n_frames=16, clip_s=8.0, films=1),
    Case(448, 448, 8, 224, n_frames=4, clip_s=1.0, films=20),
    Case(128, 128, 8, 64, n_frames=4, clip_s=1.0, films=24),
)


def write_film(path: Path, case: Case) -> None:
    """Write a film by x264's preset `veryfast`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = case.width, case.height, "yuv420p"
        stream.gop_size, stream.thread_count = case.gop, 1
        for frame in _pan(case.width, case.height):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _pan(width: int, height: int) -> Iterator[np.ndarray]:
    """Pan over a picture with coarse and fine detail."""
    import cv2

    rng = np.random.default_rng(0)
    still = np.zeros((2 * height, 2 * width, 3), np.float32)
    for cells in (4, 16, 64):
        noise = rng.uniform(0, 160 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        still += cv2.resize(noise, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    still = np.clip(still, 0, 255).astype(np.uint8)
    for number in range(round(FILM_S * FPS)):
        x, y = (0.5 + 0.5 * np.sin(number / pace) for pace in (40, 70))
        left, top = int(x * width), int(y * height)
        yield np.ascontiguousarray(still[top : top + height, left : left + width])


def films(folder: Path, case: Case) -> list[dict]:
    """Write the films of a case; give the rows of records.VIDEO."""
    folder.mkdir()
    write_film(folder / "0.mp4", case)
    for number in range(1, case.films):
        shutil.copy(folder / "0.mp4", folder / f"{number}.mp4")
    shared = {"source": "egoexo4d", "take_name": "t", "camera_id": "c", "view": "ego", "split": "train"}
    shared |= {"duration_s": FILM_S, "fps": float(FPS)}
    return [
        {"video_id": f"v{number}", "take_id": f"t{number}", "path": f"{number}.mp4"} | shared
        for number in range(case.films)
    ]


def samples(videos: list[dict], case: Case) -> list[dict]:
    """Give clips at random times of each film."""
    rng = np.random.default_rng(1)
    target = {"kind": "text", "text": "C", "choices": None, "answer_index": None, "span": None, "box_xyxy": None}
    shared = {"corpus": "egoexoclip", "task": "caption", "question_type": "narration", "split": "train", "view": "ego"}
    shared |= {"paired": [], "frame_kind": "clip", "question": "what?", "answer": "C", "target": target, "parents": []}
    made = []
    for of in videos:
        for number, start_s in enumerate(rng.uniform(0, FILM_S - case.clip_s, case.samples)):
            span = {"video_id": of["video_id"], "view": "ego", "start_s": start_s, "end_s": start_s + case.clip_s}
            named = {"sample_id": f"{of['video_id']}-{number}", "take_id": of["take_id"], "media": [span]}
            made.append(named | shared)
    return [made[place] for place in rng.permutation(len(made))]  # an epoch is shuffled


def cpu_s(work: Callable[[], object]) -> tuple[float, object]:
    """Give the CPU seconds of some work, those of processes that it started and ended included, and its result."""
    before = _used_s()
    made = work()
    return _used_s() - before, made


def _used_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def compare(folder: Path, case: Case) -> dict[str, float]:
    """Time an epoch of the peer, and the first and the second one of ours."""
    given = params.load(ROOT / "params/data.yaml", params.Data)
    sources = given.sources.model_copy(update={"egoexo4d": folder / "films"})
    stored = given.frames.model_copy(update={"size_px": case.size_px, "clip_frames": case.n_frames})
    given = given.model_copy(update={"sources": sources, "frames": stored})
    videos = films(folder / "films", case)
    asked = samples(videos, case)
    records.write_table(folder / "data/annotations/videos.parquet", videos, records.VIDEO)
    records.write_table(folder / "data/dataset/samples.parquet", asked, records.SAMPLE)

    def decode(sample: dict) -> np.ndarray:
        span = sample["media"][0]
        indices = video.sample_frame_indices(
            span["start_s"], span["end_s"], fps=FPS, n_frames=case.n_frames, total_frames=round(FILM_S * FPS)
        )
        return video.decode(folder / f"films/{span['video_id'][1:]}.mp4", indices, size_px=case.size_px)

    def epoch(frames_of: Callable[[dict], np.ndarray]) -> list[float]:
        # few pixels: their sum should cost nothing beside the frames
        return [float(frames_of(sample)[:, ::16, ::16].mean()) for sample in asked]

    import cv2

    cv2.setNumThreads(1)
    peer_s, theirs = cpu_s(lambda: epoch(decode))
    step_s, _ = cpu_s(lambda: frames.run(given, folder / "data"))
    store = FrameStore(folder / "data/frames")
    fetch_s, ours = cpu_s(lambda: epoch(lambda sample: store.frames(sample["sample_id"])))
    np.testing.assert_allclose(ours, theirs, atol=2.0)
    return {"peer": peer_s, "first": step_s + fetch_s, "second": fetch_s}


def plan(count: int) -> dict[str, float]:
    """Plan clips with an exo view, in as many videos as systems §1.2 has; give CPU seconds and the memory they add."""
    given = params.load(ROOT / "params/data.yaml", params.Data).frames
    videos = pa.table({"video_id": [f"{number:016x}" for number in range(VIDEOS)], "duration_s": [TAKE_S] * VIDEOS})
    videos = videos.append_column("fps", pa.array([float(FPS)] * VIDEOS))
    films = sampling.Videos.of(videos.append_column("source", videos[0]).append_column("path", videos[0]))
    rng = np.random.default_rng(0)

    def batch(first: int) -> pa.RecordBatch:
        start_s = rng.uniform(0, TAKE_S - CLIP_S, frames.BATCH)
        columns = {"view": pa.array(["ego"] * frames.BATCH), "start_s": start_s, "end_s": start_s + CLIP_S}
        streams = [
            pa.ListArray.from_arrays(
                np.arange(frames.BATCH + 1, dtype=np.int32),
                pa.StructArray.from_arrays(
                    [films.ids.take(pa.array(rng.integers(0, VIDEOS, frames.BATCH))), *map(pa.array, columns.values())],
                    names=["video_id", *columns],
                ),
            )
            for _ in sampling.STREAMS
        ]
        named = [pa.array([f"{first + number:016x}" for number in range(frames.BATCH)]), ["clip"] * frames.BATCH]
        return pa.record_batch([*named, *streams], names=["sample_id", "frame_kind", *sampling.STREAMS])

    before_gb = _peak_gb()

    def step() -> pa.Table:
        chosen = (sampling.sample_frames(batch(first), films, given)[0] for first in range(0, count, frames.BATCH))
        return shards.pack(sampling.distinct_frames(chosen), films, shard_frames=given.shard_frames)

    seconds, planned = timed(step)
    return {"seconds": seconds, "gb": _peak_gb() - before_gb, "shards": len(planned)}


def main() -> None:
    """Measure, print the table and write the rows."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        planned = alone.submit(plan, SAMPLES).result()
    made = [
        rows.row(f"frames: planning {SAMPLES:,} pairs, {planned['shards']} shards", planned["seconds"], unit="CPU s"),
        rows.row(f"frames: peak memory of planning {SAMPLES:,} pairs", planned["gb"], unit="GB"),
    ]
    shards.WORKERS = 1
    for case in CASES:
        with TemporaryDirectory() as folder:
            told = compare(Path(folder), case)
        what = f"frames: {case.films * case.samples} samples, {case}"
        made += [
            rows.row(f"{what}: first epoch, with writing the shards", told["first"], told["peer"], unit="CPU s"),
            rows.row(f"{what}: every later epoch", told["second"], told["peer"], unit="CPU s"),
        ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
