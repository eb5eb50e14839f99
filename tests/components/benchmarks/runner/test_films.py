"""Which samples are left out for their films, and which lengths the films tell."""

from pathlib import Path

import numpy as np
import pytest

from components import video
from components.benchmarks.runner.films import with_films
from components.benchmarks.shared.sample import Loaded, Medium, Sample, Span


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    video.write(folder / "a.mp4", np.zeros((16, 32, 32, 3), np.uint8), fps=8, size_px=32)  # two seconds
    return folder


def shown(folder: Path, *media: Medium, n_frames: int = 2) -> Loaded:
    return with_films(Loaded([Sample("0", "a", "when?", media, Span(0.0, 1.0))]), folder, n_frames=n_frames)


def test_a_film_tells_the_length_that_no_file_says(folder):
    [whole] = shown(folder, Medium("a.mp4")).samples
    [part] = shown(folder, Medium("a.mp4", start_s=0.5, end_s=1.5)).samples
    [two] = shown(folder, Medium("a.mp4"), Medium("a.mp4")).samples
    assert (whole.length_s, part.length_s, two.length_s) == (pytest.approx(2), 1.0, None)


@pytest.mark.parametrize(
    "media, reasons",
    [
        ([Medium("a.mp4", end_s=2.4)], {}),
        ([Medium("a.mp4", end_s=2.6)], {"span_outside_film": 1}),
        ([Medium("a.mp4", start_s=2.0)], {"span_outside_film": 1}),
        ([Medium("a.mp4")] * 3, {"more_media_than_frames": 1}),
        ([Medium("a.mp4"), Medium("b.mp4")], {"film_missing": 1}),
    ],
)
def test_what_cannot_be_shown_as_it_is_asked_about_is_a_reject(media, reasons, folder):
    assert shown(folder, *media).reasons == reasons
