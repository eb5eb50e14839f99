"""The gate finds true gains, blocks falls, and says in numbers why."""

import json

import numpy as np
import pandas as pd
import pytest

from components.evaluation.promotion_gate import decide, foresee
from tests import simulate_statistics as simulation

PRIMARY, GUARD = "ground_spatial/miou", "qa/accuracy"
TAKES, EACH = 8, 50


def table(metric: str, values: np.ndarray, *, condition: str = "model", takes: int = TAKES) -> pd.DataFrame:
    task, _, name = metric.partition("/")
    places = np.arange(len(values))
    return pd.DataFrame(
        {
            "task": task, "metric": name, "condition": condition, "sample_id": [f"s{place}" for place in places],
            "take_id": [f"t{place % takes}" for place in places], "score": values,
        }
    )  # fmt: skip


def evaluation(shift: float, *, seed: int = 0, guard: float = 0.7, blind: float = 0.2, takes: int = TAKES):
    """Boxes and answers that agree with those of the same seed but for the shift and a little noise."""
    same, own = (
        np.random.default_rng(seed),
        np.random.default_rng((seed, round(1000 * (1 + shift)), round(1000 * guard))),
    )
    base = same.uniform(0.2, 0.8, TAKES * EACH)
    boxes = np.clip(base + shift + own.normal(0, 0.05, len(base)), 0, 1)
    right = (same.random(200) < guard).astype(float)
    return pd.concat(
        [
            table(PRIMARY, boxes, takes=takes),
            table(PRIMARY, np.full(len(base), blind), condition="other_frames", takes=takes),
            table(GUARD, right, takes=takes),
        ]
    )


def decided(candidate, champion, margin: float = 0.1):
    return decide(candidate, champion, version="3", primary_metric=PRIMARY, margins={GUARD: margin})


@pytest.mark.parametrize(
    ("candidate", "champion", "promoted", "words"),
    [
        (
            evaluation(0.0),
            None,
            True,
            "first model: ground_spatial/miou is above its strongest control, other_frames: +",
        ),
        (evaluation(0.0, blind=0.9), None, False, "not above its strongest control, other_frames: -"),
        (evaluation(0.04), evaluation(0.0), True, "is better than the champion's: +"),
        (evaluation(0.0), evaluation(0.0), False, "not better than the champion's: +0.0 points [+0.0, +0.0]"),
        (evaluation(-0.04), evaluation(0.0), False, "not better"),
        (evaluation(0.04, guard=0.55), evaluation(0.0), False, "cannot be ruled out: qa/accuracy -2"),
        (evaluation(0.04, takes=4), evaluation(0.0, takes=4), False, "qa/accuracy +0.0, from too few takes to say"),
        (evaluation(0.04, takes=4), None, False, "too few takes to say (at least 6)"),
    ],
)
def test_truth_table(candidate, champion, promoted, words):
    decision = decided(candidate, champion)
    assert decision.promoted == promoted
    assert words in decision.reason


def test_from_too_few_takes_only_what_is_known_is_logged():
    numbers = decided(evaluation(0.04, takes=4), evaluation(0.0, takes=4)).numbers
    assert f"{PRIMARY}.value" in numbers and f"{PRIMARY}.lo" not in numbers and f"{PRIMARY}.detectable" not in numbers


def test_the_reason_and_the_numbers_tell_the_same():
    decision = decided(evaluation(0.04), evaluation(0.0))
    assert decision.reason.endswith("guardrails hold: qa/accuracy +0.0, at worst +0.0 (margin 10)")
    assert f"{100 * decision.numbers[f'{PRIMARY}.value']:+.1f} points" in decision.reason
    assert decision.numbers[f"{PRIMARY}.p_above"] < 0.001
    assert ", one-sided p below 0.001, below 0.001 adjusted for 2 metrics (Holm)" in decision.reason
    unsure = decided(evaluation(0.0), evaluation(0.0, seed=1))
    p, p_holm = (unsure.numbers[f"{PRIMARY}.{name}"] for name in ("p_above", "p_holm"))
    assert f"one-sided p {p:.3f}, {p_holm:.3f} adjusted for 2 metrics" in unsure.reason and 0.001 < p < 1
    assert decision.numbers[f"{PRIMARY}.p_holm"] == pytest.approx(2 * decision.numbers[f"{PRIMARY}.p_above"], abs=2e-6)
    assert decision.numbers[f"{GUARD}.margin"] == 0.1
    assert decision.numbers[f"{PRIMARY}.lo"] < decision.numbers[f"{PRIMARY}.value"] < decision.numbers[f"{PRIMARY}.hi"]


def test_a_guardrail_blocks_by_what_cannot_be_ruled_out_not_by_what_was_seen():
    fallen = evaluation(0.04, guard=0.68)
    assert not decided(fallen, evaluation(0.0), margin=0.02).promoted
    assert decided(fallen, evaluation(0.0), margin=0.2).promoted


def test_what_the_gate_can_find_is_said_without_looking_at_who_is_better():
    told = foresee(evaluation(0.04), evaluation(0.0), primary_metric=PRIMARY, margins={GUARD: 0.1})
    assert told.startswith("on 400 samples a true gain of 2 points in ground_spatial/miou is found in 100 %, one of ")
    assert told.endswith("; where nothing falls, qa/accuracy passes in 100 % (margin 10)")
    champion, shifted = table(PRIMARY, np.linspace(0, 1, 400)), table(PRIMARY, np.linspace(0, 1, 400)[::-1])
    better = shifted.assign(score=shifted["score"] + 0.2)
    assert foresee(shifted, champion, primary_metric=PRIMARY, margins={}) == foresee(
        better, champion, primary_metric=PRIMARY, margins={}
    )
    few = foresee(evaluation(0.04, takes=4), evaluation(0.0, takes=4), primary_metric=PRIMARY, margins={GUARD: 0.1})
    assert few == "ground_spatial/miou: too few takes to find anything (at least 6)"


def test_equal_models_are_seldom_promoted_and_what_gains_mostly_unless_a_guardrail_falls():
    # results/statistics.json has these shares of many more draws
    assert simulation.decisions(0.0, {}, draws=20) <= 0.1
    assert simulation.decisions(0.05, {}, draws=20) >= 0.4
    assert simulation.decisions(0.05, {"qa/accuracy": 0.1}, draws=20) <= 0.15


def test_the_gate_was_simulated_as_it_is():
    # else: python -m tests.simulate_statistics, then python -m docs.generate
    assert json.loads(simulation.RESULTS.read_text())["whole_gate"] == simulation.GATE


def test_samples_without_another_take_have_no_control_and_do_not_count():
    whole = evaluation(0.0)
    blind = (whole["condition"] == "other_frames") & (whole["task"] == "ground_spatial")
    assert decided(whole[~(blind & (whole["sample_id"] == "s3"))], None).promoted
    alone = decided(whole[~blind], None)
    assert not alone.promoted and "no control to be above" in alone.reason


def test_different_samples_are_refused():
    with pytest.raises(ValueError, match="answered different samples of ground_spatial/miou: 8 and 0"):
        decided(evaluation(0.1), evaluation(0.0).iloc[8:])


def test_a_metric_that_was_not_scored_is_named_with_its_owner():
    with pytest.raises(ValueError, match=r"compares 'qa/accuracy', but the champion was evaluated in .*miou.* only"):
        decided(evaluation(0.1), table(PRIMARY, np.full(TAKES * EACH, 0.5)))
