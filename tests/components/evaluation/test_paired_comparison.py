"""Differences are paired by seed and sample, and a sign holds only beyond the interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import records
from components.evaluation.paired_comparison import compare, dominated, read_scores, verdict
from components.metrics.statistics import Estimate, holm

QA = ("stage3", "qa", "accuracy")


def scores(values: dict[str, float], task: str = "qa", metric: str = "accuracy") -> pd.DataFrame:
    """One row for each sample "take/number"."""
    rows = [
        (task, metric, condition, name, name.split("/")[0], score)
        for name, value in values.items()
        for condition, score in (("model", value), ("other_frames", value / 4))
    ]
    return pd.DataFrame(rows, columns=["task", "metric", "condition", "sample_id", "take_id", "score"])


def made(seed: int, takes: int = 6, each: int = 5) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {f"t{take}/{n}": float(rng.random()) for take in range(takes) for n in range(each)}


def compared(found: dict, measures: dict | None = None, published: dict | None = None) -> dict:
    measures = measures or {"QA": (QA,)}
    arms = dict.fromkeys(arm for arm, _ in found)
    rows = compare(
        {run: {"stage3": table} for run, table in found.items()},
        dict.fromkeys(arms, measures),
        against="full",
        published=published or {},
    )
    return {(row.arm, row.measure): row for row in rows}


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.5, 0.5), st.integers(1, 4))
def test_a_constant_difference_has_no_interval_however_much_samples_and_seeds_vary(shift, seeds):
    found = {("full", seed): scores(made(seed)) for seed in range(seeds)}
    found |= {
        ("other", seed): scores({name: value + shift for name, value in made(seed).items()}) for seed in range(seeds)
    }
    row = compared(found)["other", "QA"]
    assert row.difference.value == pytest.approx(shift, abs=1e-9)
    assert row.difference.lo == pytest.approx(shift, abs=1e-9) and row.difference.hi == pytest.approx(shift, abs=1e-9)
    assert row.value.hi > row.value.lo and row.seeds == tuple(range(seeds))
    assert row.by_seed == pytest.approx([np.mean(list(made(seed).values())) + shift for seed in range(seeds)])


def test_pairs_are_made_by_name_and_over_common_seeds_only():
    mixed = scores(made(1)).sample(frac=1, random_state=0)
    found = {("full", 1): scores(made(1)), ("other", 1): mixed, ("other", 2): scores(made(2))}
    row = compared(found)["other", "QA"]
    assert (row.difference.value, row.difference.lo, row.difference.hi) == (0, 0, 0)
    assert row.seeds == (1, 2) and row.difference.n == 30 and row.value.n == 60


def test_a_measure_of_several_metrics_is_the_mean_of_their_means():
    verbs = scores({f"t{n}/0": 1.0 for n in range(6)}, "caption_ego", "verb")
    table = pd.concat([scores({name: 0.0 for name in made(0)}), verbs])
    both = {"average": (QA, ("stage3", "caption_ego", "verb"))}
    row = compared({("full", 0): table}, both)["full", "average"]
    # 30 questions do not outweigh 6 captions
    assert row.value.value == row.value.lo == row.value.hi == 0.5 and row.difference is None
    assert (row.strongest, row.control) == ("other_frames", 0.125)


def test_the_strongest_control_is_the_one_that_a_measure_is_least_above_over_seeds_and_parts():
    def answered(guesser: float, grey: float) -> pd.DataFrame:
        whole = scores(dict.fromkeys(made(0), 0.8))
        own = whole[whole["condition"] == "model"]
        # the guesser answered the first questions alone
        controls = (own[:6].assign(condition="guesser", score=guesser), own.assign(condition="grey", score=grey))
        return pd.concat([whole, *controls])

    found = {("full", 0): answered(0.7, 0.6), ("full", 1): answered(0.3, 0.5)}
    assert (compared(found)["full", "QA"].strongest, compared(found)["full", "QA"].control) == (
        "grey",
        pytest.approx(0.55),
    )
    found["full", 0] = answered(0.9, 0.6)
    assert (compared(found)["full", "QA"].strongest, compared(found)["full", "QA"].control) == (
        "guesser",
        pytest.approx(0.6),
    )
    alone = {run: table[table["condition"] == "model"] for run, table in found.items()}
    assert compared(alone)["full", "QA"].strongest == "" and np.isnan(compared(alone)["full", "QA"].control)


def test_where_lower_is_better_the_strongest_control_is_the_lowest():
    own = scores(dict.fromkeys(made(0), 0.8), "alignment", "kl")
    own = own[own["condition"] == "model"]
    whole = pd.concat([own, own.assign(condition="grey", score=0.9), own.assign(condition="other_frames", score=0.7)])
    row = compared({("full", 0): whole}, {"KL": (("stage3", "alignment", "kl"),)})["full", "KL"]
    assert (row.strongest, row.control) == ("other_frames", pytest.approx(0.7))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (scores(made(0, takes=5)), r"two arms were asked different samples of qa/accuracy"),
        (scores(made(0), task="caption_ego"), r"arm 'other', seed 0: qa/accuracy was not scored at stage 'stage3'"),
    ],
)
def test_what_cannot_be_paired_is_refused(other, words):
    with pytest.raises(ValueError, match=words):
        compared({("full", 0): scores(made(0)), ("other", 0): other})


def test_seeds_that_were_asked_different_samples_are_refused():
    with pytest.raises(ValueError, match="arm 'full': its seeds were asked different samples"):
        compared({("full", 0): scores(made(0)), ("full", 1): scores(made(0, takes=5))})


def test_a_verdict_comes_only_where_something_was_published():
    better = {name: value + 0.1 for name, value in made(0).items()}
    found = {("full", 0): scores(made(0)), ("other", 0): scores(better)}
    assert compared(found)["other", "QA"].verdict == ""
    assert compared(found, published={"other": {"QA": 2.0}})["other", "QA"].verdict == "holds"
    assert compared(found, published={"other": {"QA": -2.0}})["other", "QA"].verdict == "contradicted"


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.1, 9))
def test_a_verdict_turns_with_the_sign(value, p, points):
    estimate, turned = Estimate(value, value - 0.1, value + 0.1, 9), Estimate(-value, -value - 0.1, 0.1 - value, 9)
    there = verdict(estimate, points, p)
    assert there == verdict(turned, -points, p)
    assert (there == "holds") == (value > 0 and p <= 0.05) and (there == "contradicted") == (value < 0 and p <= 0.05)


def test_few_takes_say_nothing_about_a_sign():
    assert verdict(Estimate(0.5, -np.inf, np.inf, 9), 1.0, 1.0) == "too few takes"


def test_of_several_measures_each_must_be_surer_than_alone():
    rng = np.random.default_rng(2)
    before = made(0, takes=12)
    after = {name: value + rng.normal(0.03, 0.2) for name, value in before.items()}
    found = {("full", 0): scores(before), ("other", 0): scores(after)}
    published = {"other": {"QA": 1.0}}
    alone = compared(found, published=published)["other", "QA"]
    assert alone.p_holm == alone.difference.p and 0.05 / 4 < alone.p_holm < 0.05 and alone.verdict == "holds"
    none = pd.concat([scores(before), scores(dict.fromkeys(before, 0.0), "caption_ego", "verb")])
    changed = pd.concat([scores(after), scores(dict.fromkeys(before, 0.0), "caption_ego", "verb")])
    four = {"QA": (QA,)} | {f"verb {n}": (("stage3", "caption_ego", "verb"),) for n in range(3)}
    both = {("full", 0): none, ("other", 0): changed}
    assert compared(both, four, published)["other", "QA"].p_holm == alone.p_holm, "the others are not published"
    among = compared(both, four, {"other": dict.fromkeys(four, 1.0)})["other", "QA"]
    assert among.p_holm == pytest.approx(4 * alone.p_holm) and among.verdict == "same sign, within noise"
    assert (among.difference.lo, among.difference.hi) == (alone.difference.lo, alone.difference.hi)


def test_the_published_signs_of_all_arms_are_one_family():
    found = {("full", 0): scores(made(0))} | {
        (arm, 0): scores({name: value + 0.1 * number for name, value in made(number).items()})
        for number, arm in enumerate("abc", 1)
    }
    alone = [compared(found, published={arm: {"QA": 1.0}})[arm, "QA"].p_holm for arm in "abc"]
    assert alone == [compared(found)[arm, "QA"].difference.p for arm in "abc"]
    together = compared(found, published=dict.fromkeys("abc", {"QA": 1.0}))
    assert [together[arm, "QA"].p_holm for arm in "abc"] == pytest.approx(holm(alone)) != pytest.approx(alone)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_somebody_is_always_unbeaten_and_nobody_by_equals(points):
    beaten = dominated(points)
    assert any(not others for others in beaten.values())
    for name, others in beaten.items():
        assert all(points[other] != points[name] for other in others)


def test_scores_are_those_that_apply(tmp_path):
    row = {"sample_id": "a", "take_id": "t", "task": "qa", "view": "ego", "completion": "", "score_name": "accuracy"}
    rows = [row | {"condition": "model", "score": 1.0}, row | {"condition": "other_frames", "score": 0.0}]
    rows += [row | {"sample_id": "b", "condition": "model", "score": None}]
    records.write_table(
        tmp_path / "old.parquet", [*rows, row | {"condition": "blind", "score": 0.0}], records.PREDICTION
    )
    with pytest.raises(ValueError, match=r"answers under \['blind'\], as an earlier .*Evaluate it again: python -m"):
        read_scores(tmp_path / "old.parquet")
    records.write_table(tmp_path / "p.parquet", rows, records.PREDICTION)
    assert read_scores(tmp_path / "p.parquet").to_dict("records") == [
        {"task": "qa", "metric": "accuracy", "condition": condition, "sample_id": "a", "take_id": "t", "score": score}
        for condition, score in (("model", 1.0), ("other_frames", 0.0))
    ]
