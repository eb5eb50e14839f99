"""Overlaps against cells that are counted, and recall at thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.grounding import box_scores, span_scores

cells = st.integers(0, 12)


@st.composite
def boxes(draw):
    (x1, x2), (y1, y2) = (sorted((draw(cells), draw(cells))) for _ in range(2))
    return x1, y1, x2 + 1, y2 + 1


def raster(box) -> np.ndarray:
    """The cells of a 14 x 14 image that a box covers."""
    painted = np.zeros((14, 14), dtype=bool)
    x1, y1, x2, y2 = box
    painted[y1:y2, x1:x2] = True
    return painted


def share(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@given(boxes(), boxes())
def test_overlaps_are_the_share_of_painted_cells(answer, truth):
    counted = share(raster(answer), raster(truth))
    scores = box_scores(answer, truth)
    assert scores["miou"] == pytest.approx(counted) and scores["r1_50"] == (counted >= 0.5)
    rows, columns = np.nonzero(raster(answer))
    at_x, at_y = columns.mean() + 0.5, rows.mean() + 0.5
    assert scores["loc_acc"] == (truth[0] <= at_x <= truth[2] and truth[1] <= at_y <= truth[3])
    flat = share(*(raster((box[0], 0, box[2], 1)) for box in (answer, truth)))
    found = span_scores((answer[0], answer[2]), (truth[0], truth[2]))
    assert found["miou"] == pytest.approx(flat)
    assert [found[f"r1_{name}"] for name in ("05", "10", "30", "50", "70")] == [
        flat >= least for least in (0.05, 0.1, 0.3, 0.5, 0.7)
    ]


def test_by_hand():
    assert span_scores((5, 15), (0, 10)) == {
        "miou": pytest.approx(1 / 3), "r1_05": 1, "r1_10": 1, "r1_30": 1, "r1_50": 0, "r1_70": 0
    }  # fmt: skip
    assert box_scores((0, 0, 4, 2), (0, 0, 4, 4)) == {"miou": 0.5, "loc_acc": 1, "r1_50": 1}
    assert box_scores((0, 0, 20, 20), (8, 8, 12, 12)) == {"miou": 0.04, "loc_acc": 1, "r1_50": 0}


def test_what_cannot_be_read_is_wrong():
    assert set(span_scores(None, (0, 1)).values()) == {0.0} and set(box_scores(None, (0, 0, 1, 1)).values()) == {0.0}
    assert span_scores(None, (0, 1)).keys() == span_scores((0, 1), (0, 1)).keys()
    assert box_scores(None, (0, 0, 1, 1)).keys() == box_scores((0, 0, 1, 1), (0, 0, 1, 1)).keys()
