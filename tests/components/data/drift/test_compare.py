"""What counts as drift: a change of the data, by its name, and hardly ever chance, though takes differ."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import chi2_contingency

from components.data.drift import classifier, permutation
from components.data.drift.compare import compare
from components.metrics.statistics import wilson
from tests import simulate_drift
from tests.components.data.drift.made import VERBS, narrated, profiled, samples

LIMITS = {"alpha": 0.05, "psi": 0.1, "auc": 0.6, "growth": 0.2, "permutations": 999, "seed": 1}


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> pa.Table:
    with pytest.MonkeyPatch.context() as patched:
        return profiled(tmp_path_factory.mktemp("reference"), samples(160, seed=1), patched)


def drifted(reference: pa.Table, now: pa.Table) -> set[str]:
    return {change.feature for change in compare(reference, now, **LIMITS) if change.drifted}


def test_the_same_data_lie_nowhere_apart(reference):
    changes = compare(reference, reference, **LIMITS)
    assert not [change for change in changes if change.drifted]
    assert {change.p for change in changes if change.kind in ("categories", "number", "words")} == {1.0}
    assert {change.statistic for change in changes if change.kind in ("categories", "number", "words")} == {0.0}


@pytest.mark.slow
def test_takes_of_one_world_raise_a_false_alarm_as_seldom_as_the_limit_says(reference):
    alarms, by_sample, rng = 0, 0, np.random.default_rng(2)
    for _ in range(40):
        halves = simulate_drift.deal(reference, None, rng)
        found = compare(*halves, **LIMITS | {"permutations": 499})
        alarms += min(change.p for change in found if change.p is not None) <= LIMITS["alpha"]  # whatever the effect
        by_sample += _by_sample(*halves) <= LIMITS["alpha"]
    assert wilson(alarms, 40)[0] <= LIMITS["alpha"]  # 2 of 40 are to be expected
    assert wilson(by_sample, 40)[0] > 0.2  # a test that takes samples for independent is wrong far more often


@pytest.mark.slow
def test_takes_of_the_miniature_raise_a_false_alarm_as_seldom_as_the_limit_says(tmp_path, monkeypatch):
    found = simulate_drift.shares(profiled(tmp_path, narrated(120), monkeypatch), 60, deals=30)
    assert wilson(round(30 * found["by_tests_whatever_the_effect"]), 30)[0] <= simulate_drift.LIMITS["alpha"]


def test_false_alarms_were_recorded_with_the_limits_as_they_are_and_are_as_seldom():
    # else: python -m tests.simulate_drift, then python -m docs.generate
    told = json.loads(simulate_drift.RESULTS.read_text())
    assert told["limits"] == simulate_drift.LIMITS
    raised = [found["by_tests"] for found in told["alarms"].values()]
    assert all(wilson(round(told["deals"] * share), told["deals"])[0] <= told["limits"]["alpha"] for share in raised)


def _by_sample(first: pa.Table, second: pa.Table) -> float:
    counts = [
        half.filter(pc.equal(half["feature"], "egore/qa: words of the answer"))
        .group_by("category")
        .aggregate([("count", "sum")])
        for half in (first, second)
    ]
    found = [dict(zip(half["category"].to_pylist(), half["count_sum"].to_pylist(), strict=True)) for half in counts]
    verbs = sorted(found[0].keys() & found[1].keys())
    return chi2_contingency([[half[verb] for verb in verbs] for half in found]).pvalue


def test_other_verbs_are_drift_of_the_answers_and_of_nothing_else_but_the_texts(reference, tmp_path, monkeypatch):
    other = profiled(tmp_path, samples(160, seed=2, favoured={VERBS[4]: 6.0}), monkeypatch)
    found = drifted(reference, other)
    assert {"egoexoclip/caption: words of the answer", "egore/qa: words of the answer"} <= found
    assert found <= {
        "egoexoclip/caption: words of the answer",
        "egore/qa: words of the answer",
        "egoexoclip/caption: answer length",  # "opens" is one word, "picks up" two
        "egore/qa: answer length",
        "all texts: words (classifier)",
    }
    [change] = [one for one in compare(reference, other, **LIMITS) if one.feature == "egore/qa: words of the answer"]
    assert change.reference.startswith("opens") and change.now.startswith("opens")
    assert change.p <= 0.05 and change.effect >= 0.1


def test_darker_frames_are_drift_of_the_frames_and_of_nothing_else(tmp_path, monkeypatch):
    bright, dark = (
        profiled(tmp_path / str(light), samples(120, seed=seed), monkeypatch, brightness=light)
        for seed, light in ((3, 1.0), (4, 0.5))
    )
    found = drifted(bright, dark)
    assert {f"frames, {view}: brightness" for view in ("ego", "exo")} <= found
    assert all(feature.startswith("frames, ") for feature in found)
    assert not any("share" in feature for feature in found)  # light moves no colour


def test_more_takes_are_a_count_that_moved(reference, tmp_path, monkeypatch):
    more = profiled(tmp_path, samples(240, seed=1), monkeypatch)
    found = {change.feature: change for change in compare(reference, more, **LIMITS) if change.drifted}
    assert found.keys() == {"number of takes", "number of samples"}
    assert found["number of takes"].effect == pytest.approx(0.5) and found["number of takes"].p is None


def test_p_values_are_what_all_ways_to_deal_takes_give():
    # 3 takes against 3: two of the 20 ways lie as far apart as they do
    counts, of = np.array([[4, 0]] * 3 + [[0, 4]] * 3), np.array([True] * 3 + [False] * 3)
    [p] = permutation.p_values([(counts, of, "categories")], permutations=4000, seed=0)
    assert p == pytest.approx(0.1, abs=0.02)


def test_distances_and_the_stability_index_by_hand():
    far = permutation.distance(np.array([3, 1]), np.array([1, 3]), kind="categories")
    assert far.item() == pytest.approx(0.25) and permutation.distance(
        np.array([1, 0, 1]), np.array([0, 2, 0]), kind="number"
    ).item() == pytest.approx(0.5)
    assert permutation.distance(np.array([0, 0]), np.array([1, 1]), kind="categories").item() == 1
    p, q = np.array([100.5, 300.5]) / 401, np.array([200.5, 200.5]) / 401
    assert permutation.stability(np.array([100, 300]), np.array([200, 200]), kind="categories") == pytest.approx(
        ((p - q) * np.log(p / q)).sum()
    )


def test_the_area_is_the_share_of_pairs_in_order():
    found = classifier.area(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0]))
    assert found.auc == pytest.approx(4.5 / 6) and found.lo < found.auc < found.hi <= 1
