from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.metrics import bootstrap, box_iou, crossed, difference, temporal_iou, wilson

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


def test_bootstrap_interval_holds_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(0)
    takes = np.repeat(np.arange(40), 5)
    hits = 0
    for _ in range(200):
        scores = rng.normal(0.5, 0.3, 40)[takes] + rng.normal(0, 0.1, 200)
        estimate = bootstrap(scores, takes, seed=1, resamples=500)
        hits += estimate.lo <= 0.5 <= estimate.hi
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_resamples_takes_not_samples():
    # one value per take, repeated: a hundred copies carry no more knowledge than one
    once, takes = np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.arange(5)
    copied = bootstrap(np.repeat(once, 100), np.repeat(takes, 100), seed=3)
    single = bootstrap(once, takes, seed=3)
    assert (copied.value, copied.lo, copied.hi) == pytest.approx((single.value, single.lo, single.hi))
    assert (copied.n, single.n) == (500, 5)


def test_bootstrap_equals_a_plain_loop_over_draws():
    rng = np.random.default_rng(5)
    takes = np.array(["b", "a", "a", "c", "b", "a"])
    scores = rng.random(6)
    names = np.unique(takes)
    loop = []
    for _ in range(20000):
        drawn = rng.choice(names, 3)
        loop.append(np.concatenate([scores[takes == name] for name in drawn]).mean())
    estimate = bootstrap(scores, takes, seed=0, resamples=20000)
    assert (estimate.lo, estimate.hi) == pytest.approx(tuple(np.percentile(loop, [2.5, 97.5])), abs=0.01)


def test_bootstrap_is_seeded():
    scores, takes = np.random.default_rng(0).random(30), np.arange(30) % 10
    assert bootstrap(scores, takes, seed=1) == bootstrap(scores, takes, seed=1)
    assert bootstrap(scores, takes, seed=1) != bootstrap(scores, takes, seed=2)


@pytest.mark.parametrize("estimated", [bootstrap, lambda scores, takes, **how: crossed([(scores[None], takes)], **how)])
def test_the_interval_of_many_independent_scores_is_the_normal_one(estimated):
    """Percentiles 2.5 and 97.5, so 1.96 standard errors to either side; one percentile more or less is 0.15 of them."""
    scores = np.random.default_rng(0).normal(0, 1, 400)
    estimate, error = estimated(scores, np.arange(400), seed=0, resamples=10000), scores.std() / 400**0.5
    assert (estimate.hi - estimate.value) / error == pytest.approx(1.96, abs=0.08)
    assert (estimate.value - estimate.lo) / error == pytest.approx(1.96, abs=0.08)


def test_two_thousand_draws_are_taken_where_nothing_else_is_said():
    scores, takes = np.random.default_rng(0).random(30), np.arange(30) % 10
    assert bootstrap(scores, takes, seed=1) == bootstrap(scores, takes, seed=1, resamples=2000)
    assert difference(scores, 0 * scores, takes, seed=1) == bootstrap(scores, takes, seed=1, resamples=2000)
    parts = [(scores[None], takes)]
    assert crossed(parts, seed=1) == crossed(parts, seed=1, resamples=2000)


def test_two_takes_have_a_spread():
    scores, takes = np.array([0.0, 1.0]), np.array(["a", "b"])
    for estimate in (bootstrap(scores, takes, seed=0), crossed([(scores[None], takes)], seed=0)):
        assert (estimate.value, estimate.lo, estimate.hi) == (0.5, 0.0, 1.0)


def test_an_estimate_does_not_change():
    with pytest.raises(FrozenInstanceError):
        bootstrap(np.ones(2), np.arange(2), seed=0).value = 2.0


def test_a_single_take_tells_nothing_of_the_spread():
    estimate = bootstrap(np.ones(8), np.zeros(8), seed=0)
    assert (estimate.value, estimate.lo, estimate.hi) == (1.0, -np.inf, np.inf)


@pytest.mark.parametrize(("scores", "takes"), [([], []), ([1.0], [1, 2]), ([np.nan, 1.0], [1, 2])])
def test_bootstrap_refuses_what_it_cannot_average(scores, takes):
    with pytest.raises(ValueError, match="one finite score and one take id"):
        bootstrap(np.array(scores), np.array(takes), seed=0)


def test_paired_difference_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(0)
    takes = np.arange(60)
    blind = rng.random(60)
    seen = blind + 0.05 + rng.normal(0, 0.01, 60)
    a, b = bootstrap(seen, takes, seed=0), bootstrap(blind, takes, seed=0)
    assert a.lo < b.hi
    assert difference(seen, blind, takes, seed=0).lo > 0


def test_difference_of_equal_scores_is_not_above_zero():
    scores = np.random.default_rng(0).random(20)
    estimate = difference(scores, scores, np.arange(20), seed=0)
    assert (estimate.value, estimate.lo, estimate.hi) == (0, 0, 0)


def test_difference_needs_pairs():
    with pytest.raises(ValueError, match="pairs"):
        difference(np.ones(3), np.ones(2), np.arange(3), seed=0)


def noisy(seeds: int, *, between: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores [seeds, 120] on 12 takes: a take has its own level, a seed another, `between` apart."""
    rng = np.random.default_rng(seed)
    takes = np.repeat(np.arange(12), 10)
    level = rng.normal(0, 0.1, 12)[takes] + rng.normal(0, between, (seeds, 1))
    return 0.5 + level + rng.normal(0, 0.05, (seeds, 120)), takes


def test_crossed_of_one_seed_is_the_bootstrap_over_takes():
    scores, takes = noisy(1, between=0.0)
    one, whole = crossed([(scores, takes)], seed=0), bootstrap(scores[0], takes, seed=1)
    assert one.value == pytest.approx(whole.value)
    assert (one.lo, one.hi) == (pytest.approx(whole.lo, abs=0.01), pytest.approx(whole.hi, abs=0.01))


def test_seeds_that_disagree_widen_the_interval():
    def width(between: float) -> float:
        estimate = crossed([noisy(3, between=between)], seed=0)
        return estimate.hi - estimate.lo

    assert width(0.3) > 2 * width(0.0)


def test_crossed_holds_the_truth_as_often_as_it_says():
    """Many seeds, for with three the interval is known to be too narrow."""
    truth = 0.5
    held = [
        (estimate := crossed([noisy(10, between=0.1, seed=draw)], seed=0, resamples=200)).lo <= truth <= estimate.hi
        for draw in range(60)
    ]
    assert 0.8 <= np.mean(held) <= 1.0


def test_an_average_weighs_its_parts_alike_and_draws_their_takes_together():
    scores, takes = noisy(3, between=0.1)
    against = 1 - scores  # what one part wins in a take or a seed, the other loses
    both = crossed([(scores, takes), (against, takes)], seed=0)
    assert (both.value, both.lo, both.hi) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))
    few = crossed([(np.ones((2, 1)), np.array([7])), (np.zeros((2, 30)), np.arange(30))], seed=0)
    assert few.value == 0.5 and few.n == 62


def test_crossed_of_one_take_knows_no_spread():
    estimate = crossed([(np.array([[0.0, 1.0]]), np.array([4, 4]))], seed=0)
    assert (estimate.value, estimate.lo, estimate.hi) == (0.5, -np.inf, np.inf)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(np.ones(3), np.arange(3))],
        [(np.ones((2, 3)), np.arange(2))],
        [(np.ones((2, 3)), np.arange(3)), (np.ones((1, 3)), np.arange(3))],
        [(np.array([[np.nan]]), np.arange(1))],
    ],
)
def test_crossed_needs_whole_tables(parts):
    with pytest.raises(ValueError, match=r"crossed got scores .*allowed are finite scores \[seeds, samples\]"):
        crossed(parts, seed=0)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_holds_the_share_and_stays_in_bounds(count, share):
    low, high = wilson(share * count, count)
    assert 0 - 1e-12 <= low <= share + 1e-9 and share - 1e-9 <= high <= 1 + 1e-12
    other_low, other_high = wilson((1 - share) * count, count)
    assert (low, high) == (pytest.approx(1 - other_high, abs=1e-9), pytest.approx(1 - other_low, abs=1e-9))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_ends_of_wilson_are_the_shares_that_lie_1_96_standard_errors_away(count, share):
    for end in wilson(share * count, count):
        assert (share - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / count, rel=1e-6, abs=1e-12)


def test_wilson_of_few_is_wide_and_of_none_is_all():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[0] < 0.75 < wilson(1000, 1000)[0]
