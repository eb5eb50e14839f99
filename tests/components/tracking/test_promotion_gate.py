from dataclasses import FrozenInstanceError

import pytest

from components.tracking.promotion_gate import decide


def entry(value: float, half: float = 0.05, blind: float = 0.2, difference_lo: float | None = None) -> dict:
    lo = value - blind - half if difference_lo is None else difference_lo
    return {"value": value, "lo": value - half, "hi": value + half, "blind": blind, "difference_lo": lo}


PRIMARY, GUARDRAIL = "ground_spatial/miou", "qa/accuracy"
UNKNOWN = {"lo": None, "hi": None, "blind": None, "difference_lo": None}
OLD = {PRIMARY: entry(0.50), GUARDRAIL: entry(0.70)}


@pytest.mark.parametrize(
    ("candidate", "champion", "promoted", "words"),
    [
        ({PRIMARY: entry(0.50)}, None, True, "above its blind control"),
        ({PRIMARY: entry(0.24)}, None, False, "not above its blind control"),
        ({PRIMARY: entry(0.50, difference_lo=0.0)}, None, False, "not above"),  # touching zero is not beyond
        ({PRIMARY: entry(0.60), GUARDRAIL: entry(0.70)}, OLD, True, "is better"),
        ({PRIMARY: entry(0.56), GUARDRAIL: entry(0.70)}, OLD, False, "not better"),  # inside sqrt(.05² + .05²) = .071
        ({PRIMARY: entry(0.50), GUARDRAIL: entry(0.70)}, OLD, False, "not better"),  # the same model
        ({PRIMARY: entry(0.40), GUARDRAIL: entry(0.90)}, OLD, False, "not better"),
        ({PRIMARY: entry(0.90), GUARDRAIL: entry(0.60)}, OLD, False, "guardrail qa/accuracy"),
        (
            {PRIMARY: entry(0.90), GUARDRAIL: entry(0.66)},
            OLD,
            True,
            "no guardrail is worse",
        ),  # lower, but inside the interval
        ({PRIMARY: entry(0.90) | UNKNOWN, GUARDRAIL: entry(0.70)}, OLD, False, "not better"),  # one take
        ({PRIMARY: entry(0.90) | UNKNOWN}, None, False, r"not above its blind control (none)"),
    ],
)
def test_truth_table(candidate, champion, promoted, words):
    decision = decide(candidate, champion, version="3", primary_metric=PRIMARY, guardrail_metrics=[GUARDRAIL])
    assert (decision.promoted, decision.version) == (promoted, "3")
    assert words in decision.reason


def test_a_missing_metric_says_where_to_mend_it():
    words = (
        r"compares 'qa/accuracy', but the champion was evaluated in \['ground_spatial/miou'\] only.*params/eval.yaml"
    )
    with pytest.raises(ValueError, match=words):
        decide(
            {PRIMARY: entry(0.9), GUARDRAIL: entry(0.9)},
            {PRIMARY: entry(0.5)},
            version="1",
            primary_metric=PRIMARY,
            guardrail_metrics=[GUARDRAIL],
        )


def test_the_reason_carries_both_numbers():
    reason = decide({PRIMARY: entry(0.61)}, OLD, version="2", primary_metric=PRIMARY, guardrail_metrics=[]).reason
    assert "0.610 [0.560, 0.660]" in reason and "0.500 [0.450, 0.550]" in reason


def test_touching_intervals_are_neither_better_nor_worse():
    """Without spread the interval of the difference is its value: 0 of equal models."""
    same = {PRIMARY: entry(0.5, half=0.0), GUARDRAIL: entry(0.7, half=0.0)}
    decision = decide(same, same, version="2", primary_metric=PRIMARY, guardrail_metrics=[GUARDRAIL])
    assert not decision.promoted
    assert decision.reason == (
        f"{PRIMARY} 0.500 [0.500, 0.500] is not better than the champion's 0.500 [0.500, 0.500] beyond the interval"
    )


def test_each_side_of_the_difference_takes_the_sides_that_face_one_another():
    """A candidate whose interval is wide upwards only is better; one that is wide downwards may be as good."""
    champion = {PRIMARY: {"value": 0.5, "lo": 0.0, "hi": 0.5}}
    upwards, downwards = {"value": 0.6, "lo": 0.6, "hi": 1.0}, {"value": 0.6, "lo": 0.2, "hi": 0.6}
    assert decide({PRIMARY: upwards}, champion, version="2", primary_metric=PRIMARY, guardrail_metrics=[]).promoted
    assert not decide(
        {PRIMARY: downwards}, champion, version="2", primary_metric=PRIMARY, guardrail_metrics=[]
    ).promoted


def test_a_decision_does_not_change():
    decision = decide({PRIMARY: entry(0.61)}, OLD, version="2", primary_metric=PRIMARY, guardrail_metrics=[])
    with pytest.raises(FrozenInstanceError):
        decision.promoted = False
