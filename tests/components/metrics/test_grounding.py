"""Overlaps against cells that are counted, and recall at a threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.grounding import box_overlaps, located, recall_at_1, temporal_overlaps

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


@given(st.lists(st.tuples(boxes(), boxes()), min_size=1, max_size=8))
def test_overlaps_are_the_share_of_painted_cells(pairs):
    answers, truths = zip(*pairs, strict=True)
    counted = [(raster(a) & raster(b)).sum() / (raster(a) | raster(b)).sum() for a, b in pairs]
    overlaps = box_overlaps(answers, truths)
    assert overlaps == pytest.approx(counted)
    assert located(overlaps).mean() == np.mean([share >= 0.5 for share in counted])
    flat = temporal_overlaps([(a[0], a[2]) for a in answers], [(b[0], b[2]) for b in truths])
    rows = [(raster((a[0], 0, a[2], 1)), raster((b[0], 0, b[2], 1))) for a, b in pairs]
    assert flat == pytest.approx([(a & b).sum() / (a | b).sum() for a, b in rows])


@given(st.lists(st.floats(0, 1), min_size=1), st.randoms())
def test_the_order_of_samples_changes_no_mean_and_a_higher_threshold_finds_less(overlaps, random):
    found = [recall_at_1(np.array(overlaps), threshold).mean() for threshold in (0.05, 0.3, 0.5, 0.7)]
    assert found == sorted(found, reverse=True)
    random.shuffle(overlaps)
    assert [recall_at_1(np.array(overlaps), threshold).mean() for threshold in (0.05, 0.3, 0.5, 0.7)] == found


def test_by_hand():
    overlaps = temporal_overlaps([(0, 10), None, (5, 15)], [(0, 10), (0, 10), (0, 10)])
    assert overlaps.tolist() == pytest.approx([1, 0, 1 / 3])
    assert recall_at_1(overlaps, 0.3).tolist() == [1, 0, 1] and recall_at_1(overlaps, 0.5).mean() == 1 / 3
    assert located(box_overlaps([(0, 0, 4, 2), None], [(0, 0, 4, 4), (0, 0, 1, 1)])).tolist() == [1, 0]


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="threshold 0 came"):
        recall_at_1(np.ones(2), 0)
    with pytest.raises(ValueError):
        temporal_overlaps([(0, 1)], [])
