"""Frames of samples from the shards, against decoding each sample's video anew with decord.

Run as: python -m tests.benchmarks.fetch

CPU seconds of all processes. Both sides give the same frames (asserted, up to JPEG). Films of 448 pixels are what
Ego-Exo4D offers as its downscaled takes. How far apart their key frames are decides what decord has to decode before
it comes to the frame: every 250 frames is x264's default, every 8 the miniature world's. The first epoch of ours
includes the whole step: choosing, decoding, writing the shards. Planning is the step without decoding.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pyarrow as pa

from components import params, records, video
from components.data import choosing, frames, shards
from tests.benchmarks import rows
from tests.benchmarks.clips import TAKE_S, VIDEOS, _peak_gb, timed

ROOT = Path(__file__).parents[2]
FILMS, FILM_S, FPS = 8, 20.0, 30
CLIPS, CLIP_S = 60, 1.0  # of each film
CASES = ((448, 224, 250), (448, 224, 8), (128, 64, 8))  # pixels of a film, of a stored frame; frames from key to key
SAMPLES = 1_000_000  # planned at once


def films(root: Path, size_px: int, gop: int) -> list[dict]:
    """Write films in which a bright square moves over a still background; give the rows of records.VIDEO."""
    rng = np.random.default_rng(0)
    root.mkdir()
    made = []
    for number in range(FILMS):
        blocks = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8)
        still = blocks.repeat(size_px // 16, axis=0).repeat(size_px // 16, axis=1)
        with av.open(str(root / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
            stream.width = stream.height = size_px
            stream.pix_fmt, stream.gop_size, stream.thread_count = "yuv420p", gop, 1
            for frame in _moving(still, round(FILM_S * FPS)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        named = {"video_id": f"v{number}", "source": "egoexo4d", "take_id": f"t{number}", "take_name": "t"}
        of_film = {"path": f"{number}.mp4", "duration_s": FILM_S, "fps": float(FPS)}
        made.append(named | of_film | {"camera_id": "c", "view": "ego", "split": "train"})
    return made


def _moving(still: np.ndarray, count: int) -> Iterator[np.ndarray]:
    side, room = len(still) // 8, len(still) - len(still) // 8
    for number in range(count):
        frame = still.copy()
        at = round(room * (0.5 + 0.5 * np.sin(number / 20)))
        frame[at : at + side, at : at + side] = 255
        yield frame


def samples(videos: list[dict]) -> list[dict]:
    """Give clips at random times of each film."""
    rng = np.random.default_rng(1)
    target = {"kind": "text", "text": "C", "choices": None, "answer_index": None, "span": None, "box_xyxy": None}
    shared = {"corpus": "egoexoclip", "task": "caption", "question_type": "narration", "split": "train", "view": "ego"}
    shared |= {"paired": [], "frame_kind": "clip", "question": "what?", "answer": "C", "target": target, "parents": []}
    made = []
    for of in videos:
        for number, start_s in enumerate(rng.uniform(0, FILM_S - CLIP_S, CLIPS)):
            span = {"video_id": of["video_id"], "view": "ego", "start_s": start_s, "end_s": start_s + CLIP_S}
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


def compare(folder: Path, *, film_px: int, size_px: int, gop: int) -> dict[str, float]:
    """Time an epoch of the peer, and the first and the second one of ours."""
    given = params.load(ROOT / "params/data.yaml", params.Data)
    sources = given.sources.model_copy(update={"egoexo4d": folder / "films"})
    stored = given.frames.model_copy(update={"size_px": size_px})
    given = given.model_copy(update={"sources": sources, "frames": stored})
    videos = films(folder / "films", film_px, gop)
    asked = samples(videos)
    records.write_table(folder / "data/annotations/videos.parquet", videos, records.VIDEO)
    records.write_table(folder / "data/dataset/samples.parquet", asked, records.SAMPLE)

    def decode(sample: dict) -> np.ndarray:
        span = sample["media"][0]
        indices = video.sample_frame_indices(
            span["start_s"], span["end_s"], fps=FPS, n_frames=stored.clip_frames, total_frames=round(FILM_S * FPS)
        )
        return video.decode(folder / f"films/{span['video_id'][1:]}.mp4", indices, size_px=size_px)

    def epoch(frames_of: Callable[[dict], np.ndarray]) -> list[float]:
        return [float(frames_of(sample).mean()) for sample in asked]

    import cv2

    cv2.setNumThreads(1)
    peer_s, theirs = cpu_s(lambda: epoch(decode))
    step_s, _ = cpu_s(lambda: frames.run(given, folder / "data"))
    store = frames.FrameStore(folder / "data/frames")
    fetch_s, ours = cpu_s(lambda: epoch(lambda sample: store.frames(sample["sample_id"])))
    np.testing.assert_allclose(ours, theirs, atol=1.0)
    return {"peer": peer_s, "first": step_s + fetch_s, "second": fetch_s}


def plan(count: int) -> dict[str, float]:
    """Plan clips with an exo view, in as many videos as systems §1.2 has; give CPU seconds and the memory they add."""
    given = params.load(ROOT / "params/data.yaml", params.Data).frames
    videos = pa.table({"video_id": [f"{number:016x}" for number in range(VIDEOS)], "duration_s": [TAKE_S] * VIDEOS})
    videos = videos.append_column("fps", pa.array([float(FPS)] * VIDEOS))
    films = choosing.Films.of(videos.append_column("source", videos[0]).append_column("path", videos[0]))
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
            for _ in choosing.STREAMS
        ]
        named = [pa.array([f"{first + number:016x}" for number in range(frames.BATCH)]), ["clip"] * frames.BATCH]
        return pa.record_batch([*named, *streams], names=["sample_id", "frame_kind", *choosing.STREAMS])

    before_gb = _peak_gb()

    def step() -> pa.Table:
        chosen = (choosing.choose(batch(first), films, given)[0] for first in range(0, count, frames.BATCH))
        return shards.pack(choosing.needed(chosen), films, shard_frames=given.shard_frames)

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
    for film_px, size_px, gop in CASES:
        with TemporaryDirectory() as folder:
            told = compare(Path(folder), film_px=film_px, size_px=size_px, gop=gop)
        what = f"frames: {FILMS * CLIPS} samples of {film_px} px films (key frame every {gop}) at {size_px} px"
        made += [
            rows.row(f"{what}, first epoch, with writing the shards", told["first"], told["peer"], unit="CPU s"),
            rows.row(f"{what}, every later epoch", told["second"], told["peer"], unit="CPU s"),
        ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
