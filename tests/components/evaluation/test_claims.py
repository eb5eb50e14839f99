"""A published sign is decided by a test over seeds and takes, for all signs together, or it is not."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from components.evaluation import claims, comparison_scores
from components.evaluation.claims import Record

QA = ("last", "qa", "accuracy")
SEEDS = range(5)
RUN = {"tested": {}, "recorded_in": "c0", "hours": 1.0}


def scores(values: np.ndarray) -> dict[str, pd.DataFrame]:
    """Scores of 10 takes with 4 samples each at stage `last`, and a control that scores a half of them."""
    rows = [
        ("qa", "accuracy", condition, f"t{n // 4}", f"{n}", value * share)
        for n, value in enumerate(values)
        for condition, share in (("model", 1.0), ("grey", 0.5))
    ]
    columns = ["task", "metric", "condition", "take_id", "sample_id", "score"]
    return {"last": pd.DataFrame(rows, columns=columns)}


@cache
def run(shift: float, region: tuple[float, float], *, seed: int = 0, noise: float = 0.05) -> Record:
    """Measure an arm that lies above another by `shift` in the mean."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in SEEDS:
        base = rng.random(40)
        found["full", number] = scores(base)
        found["late", number] = scores(base + shift + noise * rng.standard_normal(40))
    record = claims.measure(
        found, ("late", [QA]), ("full", [QA]), region=region, tested={}, recorded_in="c0", hours=1.0
    )
    assert record
    return record


def verdicts(**records: Record) -> dict[str, str]:
    return {name: judged.verdict for name, judged in claims.judge(records, records, seeds=5).items()}


@pytest.mark.parametrize(
    ("region", "wide", "zero"),
    [
        ((0, math.inf), "holds", "not decided"),
        ((-math.inf, 0), "contradicted", "not decided"),
        ((-0.1, 0.1), "contradicted", "holds"),
        ((-0.1, math.inf), "holds", "holds"),
    ],
)
def test_a_verdict_says_where_the_difference_lies(region, wide, zero):
    found = verdicts(wide=run(0.3, region), zero=run(0.0, region))
    assert found == {"wide": wide, "zero": zero}


def test_a_margin_that_the_interval_crosses_is_not_decided():
    record = run(0.1, (-0.1, 0.1))
    assert record.interval[0] < 0.1 < record.interval[1]
    assert verdicts(a=record) == {"a": "not decided"}


def test_a_truth_on_the_edge_is_rarely_decided():
    """A verdict about it is wrong whichever it is: in 5 % of cases at most."""
    rng, takes = np.random.default_rng(0), np.repeat(np.arange(10), 4)
    drawn = [0.02 + 0.1 * rng.standard_normal((5, 40)) + 0.03 * rng.standard_normal((5, 1)) for _ in range(300)]
    wrong = [min(claims.p_values([(scores, takes)], (-0.02, 0.02))) <= 0.05 for scores in drawn]
    assert sum(wrong) <= 0.08 * len(wrong)


def test_a_record_has_its_numbers_and_controls():
    record = run(0.3, (0, math.inf))
    assert record.difference == pytest.approx(0.3, abs=0.05) and record.seeds == 5
    assert (record.strongest, record.control) == ("grey", pytest.approx(record.value / 2))
    assert len(record.errors) == 2 and record.errors[1][1] == 4, "for seeds and takes, and for seeds alone"


def test_all_claims_are_adjusted_together_and_a_larger_difference_is_needed():
    record = replace(run(0.3, (0, math.inf)), p_holds=0.02, p_contradicted=1.0)
    alone = claims.judge(["a"], {"a": record}, seeds=5)["a"]
    of_three = claims.judge("abc", dict.fromkeys("abc", record), seeds=5)["a"]
    assert (alone.verdict, alone.p_holm) == ("holds", 0.02)
    assert (of_three.verdict, of_three.p_holm) == ("not decided", pytest.approx(0.06))
    assert of_three.detectable > alone.detectable > 0


def test_what_was_not_measured_enough_decides_nothing_and_costs_the_others_nothing():
    record = replace(run(0.3, (0, math.inf)), p_holds=0.04, p_contradicted=1.0)
    old = replace(record, seeds=9, p_holds=None, p_contradicted=None)
    found = claims.judge("abcd", {"a": record, "b": replace(record, seeds=4), "c": old}, seeds=5)
    assert [judged.verdict for judged in found.values()] == ["holds", "not decided", "not decided", "not run"]
    assert [judged.why for judged in found.values()] == ["", "4 of 5 seeds", "recorded under the old rule", ""]
    assert found["a"].p_holm == 0.04


def test_too_few_takes_are_told():
    found = {(arm, seed): scores(np.ones(8)) for arm in ("late", "full") for seed in SEEDS}
    record = claims.measure(
        found, ("late", [QA]), ("full", [QA]), region=(0, 1), tested={}, recorded_in="c0", hours=1.0
    )
    assert record.interval is None and claims.judge("a", {"a": record}, seeds=5)["a"].why == "too few takes"


def test_arms_without_a_common_seed_are_not_measured():
    found = {("late", 0): scores(np.ones(40)), ("full", 1): scores(np.ones(40))}
    assert claims.measure(found, ("late", [QA]), ("full", [QA]), region=(0, 1), **RUN) is None


def test_a_record_comes_back_from_its_file(tmp_path):
    records = {"a": run(0.3, (0, math.inf)), "b": replace(run(0.3, (0, 1)), interval=None, errors=())}
    claims.write(tmp_path / "claims.json", records)
    assert claims.read(tmp_path / "claims.json") == records


def test_a_kept_record_stays_until_a_new_one_has_as_many_seeds_and_goes_with_its_question():
    kept = replace(run(0.3, (0, math.inf)), tested={"arm": "late"})
    fewer, as_many = replace(kept, seeds=2), replace(kept, difference=0.1)
    question = {"a": {"arm": "late"}}
    assert claims.of_claims(question, {"a": kept}, {"a": fewer}) == {"a": kept}
    assert claims.of_claims(question, {"a": kept}, {"a": as_many}) == {"a": as_many}
    old = replace(kept, seeds=9, p_holds=None, p_contradicted=None)
    assert claims.of_claims(question, {"a": old}, {"a": fewer}) == {"a": fewer}
    assert claims.of_claims({"a": {"arm": "early"}}, {"a": kept}, {}) == {}


def test_scores_come_back_of_what_is_measured_alone(tmp_path):
    whole = scores(np.linspace(0, 1, 40))
    other = pd.concat([whole["last"], whole["last"].assign(task="verb")])
    comparison_scores.write(
        tmp_path / "s.parquet", {("late", 1): {"last": other}}, {"late": {"QA": [QA], "both": [QA]}}
    )
    back = comparison_scores.read(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(
        back["late", 1]["last"][list(whole["last"].columns)].reset_index(drop=True),
        whole["last"].reset_index(drop=True),
    )
    pd.DataFrame({"arm": []}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(ValueError, match="run its comparison again"):
        comparison_scores.read(tmp_path / "s.parquet")
