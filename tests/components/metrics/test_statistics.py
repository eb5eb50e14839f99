"""Intervals over takes: right as often as they say, paired where pairs are, honest where there are few takes."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.statistics import (
    MIN_TAKES,
    Estimate,
    crossed,
    difference,
    holm,
    score,
    wilson,
)
from tests import simulate_statistics as simulation


def zero(scores: np.ndarray, takes: np.ndarray) -> Estimate:
    return difference(scores, np.zeros(len(scores)), takes)


def noisy(seeds: int, *, between: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores [seeds, 120] on 12 takes: a take has its own level, a seed another, `between` apart."""
    rng = np.random.default_rng(seed)
    takes = np.repeat(np.arange(12), 10)
    level = rng.normal(0, 0.1, 12)[takes] + rng.normal(0, between, (seeds, 1))
    return 0.5 + level + rng.normal(0, 0.05, (seeds, 120)), takes


@pytest.mark.parametrize("world", simulation.WORLDS)
def test_the_interval_of_a_score_holds_the_truth_from_six_takes_on(world):
    # 400 draws: two standard errors of .95 are .02
    assert simulation.coverage(world, MIN_TAKES, draws=400) >= 0.93


@pytest.mark.parametrize("setting", ["3 seeds, 8 takes, both vary", "3 seeds, 8 takes, seeds vary"])
def test_no_difference_is_seldom_found_over_three_seeds(setting):
    above, holds = simulation.false_signs(setting, draws=400)
    assert above <= 0.05 and holds >= 0.92


@pytest.mark.parametrize("setting", ["3 seeds, 8 takes, seeds vary", "3 seeds, 72 takes, both vary"])
def test_of_four_tasks_none_is_wrongly_said_to_hold_or_not_in_more_than_five_percent(setting):
    # 300 draws: .05 and two standard errors are .075; without the test over seeds alone the second has .10
    assert sum(simulation.false_verdicts(setting, draws=300)) <= 0.075


def test_a_gain_of_two_points_is_found_and_none_is_not():
    # 3,000 draws: two standard errors of .05 are .008, of .5 .018
    assert simulation.promotions(0.0, draws=3000) <= 0.058
    assert simulation.promotions(0.02, draws=3000) >= 0.47
    assert simulation.promotions(0.0, draws=3000, gate="8 takes that vary by .1") <= 0.058


def test_on_eight_takes_the_gate_finds_nearly_what_any_test_can():
    found = simulation.promotions(0.02, draws=3000, gate="8 takes")
    assert simulation.most_power(0.02, "8 takes") - 0.03 < found


@pytest.mark.parametrize("estimated", [lambda s, t: score(s, t, seed=0), zero, lambda s, t: crossed([(s[None], t)])])
def test_takes_are_what_counts_not_samples(estimated):
    # one value per take, repeated: a hundred copies carry no more knowledge than one
    once, takes = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.4, 0.2]), np.arange(7)
    copied, single = estimated(np.repeat(once, 100), np.repeat(takes, 100)), estimated(once, takes)
    assert (copied.value, copied.lo, copied.hi) == pytest.approx((single.value, single.lo, single.hi))
    assert (copied.n, single.n) == (700, 7)


@pytest.mark.parametrize("estimated", [lambda s, t: score(s, t, seed=0), zero, lambda s, t: crossed([(s[None], t)])])
def test_the_interval_of_many_independent_scores_is_the_normal_one(estimated):
    scores = np.random.default_rng(0).normal(0, 1, 400)
    estimate, error = estimated(scores, np.arange(400)), scores.std() / 400**0.5
    assert (estimate.hi - estimate.value) / error == pytest.approx(1.96, abs=0.12)
    assert (estimate.value - estimate.lo) / error == pytest.approx(1.96, abs=0.12)


@pytest.mark.parametrize("estimated", [lambda s, t: score(s, t, seed=0), zero, lambda s, t: crossed([(s[None], t)])])
def test_few_takes_have_a_value_and_no_interval(estimated):
    scores, takes = np.linspace(0, 1, MIN_TAKES), np.arange(MIN_TAKES)
    assert np.isfinite(estimated(scores, takes).lo)
    few = estimated(scores[1:], takes[1:])
    assert (few.value, few.lo, few.hi) == (pytest.approx(0.6), -np.inf, np.inf)


def test_few_takes_decide_nothing():
    few = zero(np.ones(40), np.repeat(np.arange(5), 8))
    assert few.p_above == 1.0 and few.lower() == -np.inf


def test_a_score_is_seeded_and_draws_two_thousand_times():
    scores, takes = np.random.default_rng(0).random(30), np.arange(30) % 10
    assert score(scores, takes, seed=1) == score(scores, takes, seed=1) == score(scores, takes, seed=1, resamples=2000)
    assert score(scores, takes, seed=1) != score(scores, takes, seed=2)


def test_equal_scores_have_no_spread():
    same = score(np.full(30, 0.5), np.arange(30) % 10, seed=0)
    assert (same.value, same.lo, same.hi) == (0.5, 0.5, 0.5)
    scores = np.random.default_rng(0).random(20)
    none = difference(scores, scores, np.arange(20))
    assert (none.value, none.lo, none.hi, none.p_above) == (0, 0, 0, 1)


def test_an_estimate_does_not_change():
    with pytest.raises(FrozenInstanceError):
        score(np.ones(2), np.arange(2), seed=0).value = 2.0


@pytest.mark.parametrize(("scores", "takes"), [([], []), ([1.0], [1, 2]), ([np.nan, 1.0], [1, 2])])
def test_what_cannot_be_averaged_is_refused(scores, takes):
    with pytest.raises(ValueError, match="one finite score and one take id"):
        score(np.array(scores), np.array(takes), seed=0)


def test_a_paired_difference_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(0)
    takes = np.arange(60)
    blind = rng.random(60)
    seen = blind + 0.05 + rng.normal(0, 0.01, 60)
    assert score(seen, takes, seed=0).lo < score(blind, takes, seed=0).hi
    assert difference(seen, blind, takes).lo > 0
    with pytest.raises(ValueError, match="pairs"):
        difference(np.ones(3), np.ones(2), np.arange(3))


@given(st.lists(st.floats(-1, 1, width=32), min_size=14, max_size=14))
def test_a_difference_turns_with_its_sign_and_p_agrees_with_the_bound(gaps):
    takes = np.repeat(np.arange(7), 2)
    there, back = zero(np.array(gaps), takes), zero(-np.array(gaps), takes)
    assert (there.lo, there.hi) == (pytest.approx(-back.hi), pytest.approx(-back.lo))
    if there.standard_error > 1e-9:
        assert there.p_above + back.p_above == pytest.approx(1)
        assert (there.p_above < 0.0499) <= (there.lower() > 0) <= (there.p_above < 0.0501)


def test_two_sided_p_agrees_with_the_interval():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = zero(rng.normal(0.3, 1, 24), np.arange(24) % 8)
        assert (found.p < 0.05) == (found.lo > 0 or found.hi < 0)
        assert found.p == pytest.approx(2 * min(found.p_above, 1 - found.p_above))
    assert zero(np.ones(40), np.repeat(np.arange(5), 8)).p == 1.0  # too few takes
    assert zero(np.zeros(40), np.arange(40)).p == 1.0 and zero(np.ones(40), np.arange(40)).p == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.randoms())
def test_holm_is_the_least_level_at_which_a_test_is_rejected(p_values, random):
    adjusted = holm(p_values)
    # the definition: the smallest p against level / m, the next against level / (m - 1), up to the first that fails
    for level in (0.01, 0.05, 0.3):
        rejected, left = set(), len(p_values)
        for place in sorted(range(len(p_values)), key=p_values.__getitem__):
            if p_values[place] * left > level:
                break
            rejected.add(place)
            left -= 1
        assert {place for place, p in enumerate(adjusted) if p <= level} == rejected
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[place] for place in order]) == [adjusted[place] for place in order]


def test_seeds_that_disagree_widen_the_interval():
    def width(between: float) -> float:
        estimate = crossed([noisy(3, between=between)])
        return estimate.hi - estimate.lo

    assert width(0.3) > 2 * width(0.0)
    assert crossed([noisy(3, between=0.3)]).df < 3  # the t distribution of three seeds


def test_one_seed_is_the_interval_over_takes():
    scores, takes = noisy(1, between=0.0)
    one, plain = crossed([(scores, takes)]), zero(scores[0], takes)
    assert (one.value, one.lo, one.hi) == pytest.approx((plain.value, plain.lo, plain.hi), rel=1e-6)


def test_an_average_weighs_its_parts_alike_and_takes_their_takes_together():
    scores, takes = noisy(3, between=0.1)
    against = 1 - scores  # what one part wins in a take or a seed, the other loses
    both = crossed([(scores, takes), (against, takes)])
    assert (both.value, both.lo, both.hi) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))
    few = crossed([(np.ones((2, 1)), np.array([7])), (np.zeros((2, 30)), np.arange(30))])
    assert few.value == 0.5 and few.n == 62


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
        crossed(parts)


def test_all_right_is_no_certainty():
    perfect = score(np.ones(40), np.repeat(np.arange(8), 5), seed=0)
    assert (perfect.lo, perfect.hi) == pytest.approx(wilson(8, 8)) and perfect.lo < 0.7


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


def test_rare_events_may_be_commoner_than_the_takes_show():
    seen = np.zeros(60)
    seen[:3] = 1.0  # in one take of six
    rare = score(seen, np.arange(60) // 10, seed=0)
    turned = score(1 - seen, np.arange(60) // 10, seed=0)
    assert (rare.lo, rare.hi) == (pytest.approx(1 - turned.hi), pytest.approx(1 - turned.lo))
    assert rare.hi > 0.4, "log-odds: a t interval ends at .18"


def test_wilson_of_few_is_wide_and_of_none_is_all():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[0] < 0.75 < wilson(1000, 1000)[0]
