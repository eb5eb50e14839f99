"""What is drawn lies where the answer says: looked at by its colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from components import params, video
from components.evaluation import drawing, film
from components.evaluation.film_answer import read_reply

ROOT = Path(__file__).parents[3]
ORANGE = np.array(ImageColor.getrgb(drawing.ANSWERED))


@pytest.fixture(scope="module")
def data() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    video.write(path, np.full((64, 64, 64, 3), 40, np.uint8), fps=8, size_px=64)
    return path


def drawn(path: Path, data: params.Data, target_kind: str, said: str, output: Path, *, views: tuple = ("ego",)):
    shown = film.read(path, data, target_kind=target_kind)
    answers = [(read_reply(said, shown, view=view, target_kind=target_kind, data=data), shown) for view in views]
    drawing.draw("where or when?", answers, output)
    return np.asarray(Image.open(output)).astype(int)


def orange(picture_HWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the coloured pixels."""
    return np.nonzero((np.abs(picture_HWC - ORANGE) < 8).all(-1))


def test_a_box_is_drawn_on_the_frame(path, data, tmp_path):
    picture = drawn(path, data, "box", "<think>here</think><answer>[25, 50, 75, 100]</answer>", tmp_path / "a.png")
    rows, columns = orange(picture)
    assert columns.min() - drawing.MARGIN == pytest.approx(0.25 * drawing.WIDTH, abs=2)
    assert columns.max() - drawing.MARGIN == pytest.approx(0.75 * drawing.WIDTH, abs=2)
    assert rows.max() - rows.min() == pytest.approx(0.5 * drawing.WIDTH, abs=3)


def test_an_interval_is_drawn_on_the_strip_and_on_the_line_of_time(path, data, tmp_path):
    picture = drawn(path, data, "span", "<think>then</think><answer>(2, 4)</answer>", tmp_path / "a.png")
    rows, columns = orange(picture)
    last = rows.max()  # of the line of time, below the frames
    line = columns[rows == last] - drawing.MARGIN
    assert (line.min(), line.max()) == pytest.approx((0.25 * drawing.WIDTH, 0.5 * drawing.WIDTH), abs=3)
    edges = columns[rows < last - 60] - drawing.MARGIN
    frame = drawing.WIDTH / drawing.COLUMNS
    assert 2 * frame - 4 < edges.min() < edges.max() < 4 * frame, "frames 3 and 4 of 8 lie inside 2 to 4 of 8 s"


def test_two_views_stand_side_by_side(path, data, tmp_path):
    one = drawn(path, data, "text", "C cuts", tmp_path / "one.png")
    two = drawn(path, data, "text", "C cuts", tmp_path / "two.png", views=("ego", "exo"))
    assert two.shape[0] == one.shape[0] and two.shape[1] == one.shape[1] + drawing.WIDTH + drawing.MARGIN


def test_a_picture_of_no_format_is_refused_before_it_is_drawn(path, data, tmp_path):
    with pytest.raises(ValueError, match=r"answer\.xyz came, allowed are pictures whose ending says their format"):
        drawn(path, data, "text", "C cuts", tmp_path / "answer.xyz")
