"""Frames of samples from the shards, against decoding each sample's video anew with decord.

Run as: python -m tests.benchmarks.fetch

CPU seconds of all processes. Both sides give the same frames (asserted, up to JPEG). Films of 448 pixels are what
Ego-Exo4D offers as its downscaled takes; a key frame every eighth frame is better for the peer than real films, whose
key frames are rarer. The first epoch of ours includes the whole step: choosing, decoding, writing the shards.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from components import params, records, video
from components.data import frames
from tests.benchmarks import rows

ROOT = Path(__file__).parents[2]
FILMS, FILM_S, FPS = 8, 20.0, 30
CLIPS, CLIP_S = 60, 1.0  # of each film
SIZES = ((448, 224), (128, 64))  # pixels of a film, of a stored frame


def films(root: Path, size_px: int) -> list[dict]:
    """Write films in which a bright square moves over a still background; give the rows of records.VIDEO."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(FILMS):
        still = np.kron(
            rng.integers(0, 200, (16, 16, 3), dtype=np.uint8), np.ones((size_px // 16,) * 2 + (1,), np.uint8)
        )
        path = f"{number}.mp4"
        video.write(root / path, _moving(still, round(FILM_S * FPS)), fps=FPS, size_px=size_px)
        named = {"video_id": f"v{number}", "source": "egoexo4d", "take_id": f"t{number}", "take_name": "t"}
        made.append(named | {"camera_id": "c", "view": "ego", "path": path, "duration_s": FILM_S, "fps": float(FPS)})
    return [row | {"split": "train"} for row in made]


def _moving(still: np.ndarray, count: int):
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


def compare(folder: Path, *, film_px: int, size_px: int) -> dict[str, float]:
    """Time an epoch of the peer, and the first and the second one of ours."""
    given = params.load(ROOT / "params/data.yaml", params.Data)
    sources = given.sources.model_copy(update={"egoexo4d": folder / "films"})
    stored = given.frames.model_copy(update={"size_px": size_px})
    given = given.model_copy(update={"sources": sources, "frames": stored})
    videos = films(folder / "films", film_px)
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


def main() -> None:
    """Measure, print the table and write the rows."""
    made = []
    for film_px, size_px in SIZES:
        with TemporaryDirectory() as folder:
            told = compare(Path(folder), film_px=film_px, size_px=size_px)
        what = f"frames: {FILMS * CLIPS} samples of {film_px} px films at {size_px} px"
        made += [
            rows.row(f"{what}, first epoch, with writing the shards", told["first"], told["peer"], unit="CPU s"),
            rows.row(f"{what}, every later epoch", told["second"], told["peer"], unit="CPU s"),
        ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
