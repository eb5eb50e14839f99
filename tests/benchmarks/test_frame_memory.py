"""A loader's worker holds no more than a batch of what it has read, and films that we write are cheap to seek in."""

import av
import numpy as np

from components import video
from tests.benchmarks import fetch, frame_memory


def test_a_worker_keeps_nothing_of_the_samples_that_it_read(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "FILM_S", 4.0)
    ids = frame_memory.store(tmp_path)
    assert len(ids) == frame_memory.FRAMES // frame_memory.OF_SAMPLE
    held = frame_memory.resident(tmp_path / "data/frames", ids)
    assert held["anonymous"] < 40 and held["all"] < 45


def test_films_that_we_write_have_a_key_frame_at_most_every_twelve_frames(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), dtype=np.uint8)
    path = tmp_path / "film.mp4"
    video.write(path, frames, fps=30, size_px=64)
    with av.open(str(path)) as film:
        keys = [number for number, frame in enumerate(film.decode(video=0)) if frame.key_frame]
    assert keys[0] == 0 and max(np.diff([*keys, 40])) <= 12
    assert keys[1] == frame_memory.GOP
