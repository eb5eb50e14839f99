"""Exact measures of hand-made pairs, and what holds for any pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics import statistics
from components.metrics.consistency import references, scores

bits = st.integers(0, 1).map(float)
answered = st.lists(st.tuples(bits, bits, bits), min_size=1, max_size=40).map(lambda rows: np.array(rows).T)


def measured(ego, exo, same) -> dict[str, float]:
    return {name: values.mean() for name, values in scores(*map(np.array, (ego, exo, same))).items()}


def test_hand_made_pairs():
    # right in both, twice; in ego alone; in exo alone; wrong in both with one answer, and with two
    found = measured([1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0])
    assert found == pytest.approx(
        {"ego": 1 / 2, "exo": 1 / 2, "consistent": 1 / 3, "agreement": 1 / 2, "excess": 1 / 3 - 1 / 4}
    )


def test_the_published_7b_model_is_a_little_above_two_answers_that_know_nothing_of_one_another():
    # 54.3 % in exo, 56.3 % in ego, 33.0 % in both: the product is 30.6 %
    counts = {(1, 1): 330, (1, 0): 233, (0, 1): 213, (0, 0): 224}
    rows = np.array([views for views, count in counts.items() for _ in range(count)])
    found = measured(*rows.T, np.ones(1000))
    assert (found["ego"], found["exo"], found["consistent"]) == pytest.approx((0.563, 0.543, 0.33))
    assert found["excess"] == pytest.approx(0.33 - 0.3057, abs=1e-4)


@given(answered, st.randoms(use_true_random=False))
def test_what_holds_for_any_pairs(rows, random):
    found = measured(*rows)
    assert found["ego"] + found["exo"] - 1 <= found["consistent"] + 1e-12
    assert found["consistent"] <= min(found["ego"], found["exo"])
    assert found["excess"] == pytest.approx(found["consistent"] - found["ego"] * found["exo"])
    assert -0.25 - 1e-12 <= found["excess"] <= 0.25 + 1e-12
    order = random.sample(range(rows.shape[1]), rows.shape[1])
    assert measured(*rows[:, order]) == pytest.approx(found)
    turned = measured(rows[1], rows[0], rows[2])
    assert turned.pop("ego") == found["exo"] and turned.pop("exo") == found["ego"]
    assert turned == {name: pytest.approx(found[name]) for name in ("consistent", "agreement", "excess")}


@given(st.lists(bits, min_size=1, max_size=8), st.lists(bits, min_size=1, max_size=8))
def test_answers_that_know_nothing_of_one_another_have_no_excess(ego, exo):
    crossed = np.array([(one, other) for one in ego for other in exo]).T
    assert measured(*crossed, np.zeros(crossed.shape[1]))["excess"] == pytest.approx(0)


def test_the_interval_of_the_excess_is_that_of_the_jackknife_over_takes():
    rng = np.random.default_rng(0)
    takes = np.repeat(np.arange(60), 5)
    rows = rng.random((2, 300)) + rng.random(60)[takes] > 1.1  # a take is easy in both views
    ego, exo = rows.astype(float)
    found = statistics.score(scores(ego, exo, exo)["excess"], takes, seed=0)
    without = [
        (ego[kept] * exo[kept]).mean() - ego[kept].mean() * exo[kept].mean()
        for kept in (takes != take for take in range(60))
    ]
    error = np.sqrt(59 / 60 * np.sum((without - np.mean(without)) ** 2))
    assert found.lo > 0 and found.value - found.lo == pytest.approx(2 * error, rel=0.1)
    assert found.hi - found.value == pytest.approx(2 * error, rel=0.1)


def test_references_of_balanced_questions():
    is_yes = np.array([1.0, 0.0] * 10)
    found = references(np.stack([is_yes, 1 - is_yes]), np.eye(2))
    half = {"ego": 0.5, "exo": 0.5}
    assert found["constant"] == half | {"consistent": 0.5, "agreement": 1.0, "excess": 0.25}
    assert found["coin"] == half | {"consistent": 0.25, "agreement": 0.5, "excess": 0.0}
    mostly = references(np.stack([np.array([1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0])]), np.eye(2))
    assert mostly["constant"]["consistent"] == 0.75 and mostly["coin"]["consistent"] == 0.25


def test_pairs_of_other_numbers_are_refused():
    with pytest.raises(ValueError, match="2 ego, 1 exo and 2 pair scores came"):
        scores(np.ones(2), np.ones(1), np.ones(2))
