import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.metrics import box_iou, temporal_iou

seconds = st.floats(0, 1000, allow_nan=False, width=32)
percents = st.integers(0, 100)


@st.composite
def spans(draw):
    start, end = sorted((draw(seconds), draw(seconds)))
    assume(end - start > 1e-3)
    return start, end


@st.composite
def boxes(draw):
    x1, x2 = sorted((draw(percents), draw(percents)))
    y1, y2 = sorted((draw(percents), draw(percents)))
    assume(x1 < x2 and y1 < y2)
    return x1, y1, x2, y2


@given(spans(), spans())
def test_temporal_iou_is_symmetric_and_bounded(a, b):
    assert temporal_iou(a, b) == temporal_iou(b, a)
    assert 0 <= temporal_iou(a, b) <= 1


@given(spans(), spans())
def test_hull_and_sum_unions_agree(a, b):
    # EgoThinker's union is len + len - overlap, VideoChat-R1's is the hull: equal wherever there is an overlap
    overlap = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    by_sum = overlap / ((a[1] - a[0]) + (b[1] - b[0]) - overlap)
    assert temporal_iou(a, b) == pytest.approx(by_sum, abs=1e-9)


@given(spans())
def test_temporal_iou_of_a_span_with_itself_is_one(a):
    assert temporal_iou(a, a) == 1


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((0, 4), (4, 8), 0.0),  # touching ends share no time
        ((0, 4), (6, 8), 0.0),
        ((0, 4), (1, 2), 0.25),  # inside
        ((3, 3), (3, 3), 0.0),  # empty
        ((5, 3), (0, 10), 0.0),  # inverted
        ((5, 3), (5, 3), 0.0),
    ],
)
def test_temporal_iou_at_the_clipped_cases(a, b, iou):
    assert temporal_iou(a, b) == iou


@given(boxes(), boxes())
def test_box_iou_is_symmetric_and_bounded(a, b):
    assert box_iou(a, b) == box_iou(b, a)
    assert 0 <= box_iou(a, b) <= 1


@given(boxes(), boxes())
def test_box_iou_counts_the_same_cells_as_a_raster(a, b):
    grid = np.zeros((2, 100, 100), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(grid, (a, b), strict=True):
        mask[y1:y2, x1:x2] = True
    assert box_iou(a, b) == pytest.approx((grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum())


@given(boxes())
def test_box_iou_of_a_box_with_itself_is_one(a):
    assert box_iou(a, a) == 1


APART = [(4, 0, 8, 4), (0, 4, 4, 8), (6, 6, 8, 8), (6, 0, 8, 4), (0, 6, 4, 8), (4.5, 0, 8, 4), (0, 4.5, 4, 8)]


@pytest.mark.parametrize("b", [*APART, (2, 2, 2, 3), (4, 4, 0, 0)])
def test_box_iou_is_zero_without_overlap(b):
    assert box_iou((0, 0, 4, 4), b) == 0


@pytest.mark.parametrize("empty", [(1, 0, 1, 4), (0, 1, 4, 1), (1, 1, 1, 1)])
def test_box_iou_of_an_empty_box_with_itself_is_zero(empty):
    assert box_iou(empty, empty) == 0


def test_box_iou_of_one_cell_in_seven():
    assert box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == 1 / 7
