"""Images are extracted by ffmpeg itself, from films of every rate that EPIC-KITCHENS has."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from components.data.sources.shared.epic_frames import film_frame, images_per_s

FRAMES = 3000


def extracted(fps: Fraction, per_s: int) -> Iterator[int]:
    """Give the index of the frame that ffmpeg makes each image of."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=2, height=16, format="gray", time_base=1 / fps)
    rate, sink = graph.add("fps", f"fps={per_s}"), graph.add("buffersink")
    source.link_to(rate)
    rate.link_to(sink)
    graph.configure()
    for index in [*range(FRAMES), None]:
        if index is None:
            graph.push(None)
        else:
            frame = av.VideoFrame.from_ndarray(np.full((16, 2), divmod(index, 256), np.uint8), format="gray")
            frame.pts, frame.time_base = index, 1 / fps
            graph.push(frame)
        while True:
            try:
                high, low = graph.pull().to_ndarray()[0].tolist()
            except (av.BlockingIOError, av.EOFError):
                break
            yield high * 256 + low


@pytest.mark.parametrize(
    ("fps", "per_s"),
    [
        (Fraction(60_000, 1001), 60),
        (Fraction(48_000, 1001), 60),
        (Fraction(30_000, 1001), 60),
        (Fraction(90), 60),
        (Fraction(50), 50),
        (Fraction(100), 50),
    ],
)
def test_an_image_is_the_frame_of_the_film_that_ffmpeg_made_it_of(fps, per_s):
    images = list(extracted(fps, per_s))
    assert len(images) > FRAMES * per_s / fps - 3
    assert images == [film_frame(number, per_s=per_s, fps=float(fps)) for number in range(1, len(images) + 1)]


def test_the_rate_of_the_images_follows_from_the_id():
    assert {images_per_s(video) for video in ("P01_01", "P37_99")} == {60.0}
    assert {images_per_s(video) for video in ("P01_101", "P37_103")} == {50.0}
