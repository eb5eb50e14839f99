from dataclasses import FrozenInstanceError

import pytest

from components.tracking.promotion_gate import check_measured, decide


def entry(value: float, half: float = 0.05, blind: float = 0.2, difference_lo: float | None = None) -> dict:
    lo = value - blind - half if difference_lo is None else difference_lo
    return {"value": value, "lo": value - half, "hi": value + half, "blind": blind, "difference_lo": lo}


MAIN, GUARD = "ground_spatial/miou", "qa/accuracy"
OLD = {MAIN: entry(0.50), GUARD: entry(0.70)}


@pytest.mark.parametrize(
    ("candidate", "champion", "promoted", "words"),
    [
        ({MAIN: entry(0.50)}, None, True, "above its blind control"),
        ({MAIN: entry(0.24)}, None, False, "not above its blind control"),
        ({MAIN: entry(0.50, difference_lo=0.0)}, None, False, "not above"),  # touching zero is not beyond
        ({MAIN: entry(0.60), GUARD: entry(0.70)}, OLD, True, "is better"),
        ({MAIN: entry(0.56), GUARD: entry(0.70)}, OLD, False, "not better"),  # inside sqrt(.05² + .05²) = .071
        ({MAIN: entry(0.50), GUARD: entry(0.70)}, OLD, False, "not better"),  # the same model
        ({MAIN: entry(0.40), GUARD: entry(0.90)}, OLD, False, "not better"),
        ({MAIN: entry(0.90), GUARD: entry(0.60)}, OLD, False, "guard qa/accuracy"),
        ({MAIN: entry(0.90), GUARD: entry(0.66)}, OLD, True, "no guard is worse"),  # lower, but inside the interval
        ({MAIN: entry(0.90, half=float("inf")), GUARD: entry(0.70)}, OLD, False, "not better"),  # one take
    ],
)
def test_truth_table(candidate, champion, promoted, words):
    decision = decide(candidate, champion, version="3", main=MAIN, guards=[GUARD])
    assert (decision.promoted, decision.version) == (promoted, "3")
    assert words in decision.reason


def test_a_missing_metric_says_where_to_mend_it():
    words = (
        r"compares 'qa/accuracy', but the champion was evaluated in \['ground_spatial/miou'\] only.*params/eval.yaml"
    )
    with pytest.raises(ValueError, match=words):
        decide({MAIN: entry(0.9), GUARD: entry(0.9)}, {MAIN: entry(0.5)}, version="1", main=MAIN, guards=[GUARD])


@pytest.mark.parametrize("tasks", [["qa"], ["ground_spatial"], []])
def test_a_last_stage_that_is_not_measured_in_what_the_gate_compares_is_refused(tasks):
    missing = [metric for metric in (MAIN, GUARD) if metric.split("/")[0] not in tasks]
    with pytest.raises(ValueError, match=r"'grpo', is evaluated in .* only; add the tasks to `evaluate`") as refused:
        check_measured("grpo", tasks, main=MAIN, guards=[GUARD])
    assert str(missing) in str(refused.value) and str(tasks) in str(refused.value)
    check_measured("grpo", [*tasks, "qa", "ground_spatial"], main=MAIN, guards=[GUARD])


def test_the_reason_carries_both_numbers():
    reason = decide({MAIN: entry(0.61)}, OLD, version="2", main=MAIN, guards=[]).reason
    assert "0.610 [0.560, 0.660]" in reason and "0.500 [0.450, 0.550]" in reason


def test_touching_intervals_are_neither_better_nor_worse():
    """Without spread the interval of the difference is its value: 0 of equal models."""
    same = {MAIN: entry(0.5, half=0.0), GUARD: entry(0.7, half=0.0)}
    decision = decide(same, same, version="2", main=MAIN, guards=[GUARD])
    assert not decision.promoted
    assert decision.reason == (
        f"{MAIN} 0.500 [0.500, 0.500] is not better than the champion's 0.500 [0.500, 0.500] beyond the interval"
    )


def test_each_side_of_the_difference_takes_the_sides_that_face_one_another():
    """A candidate whose interval is wide upwards only is better; one that is wide downwards may be as good."""
    champion = {MAIN: {"value": 0.5, "lo": 0.0, "hi": 0.5}}
    upwards, downwards = {"value": 0.6, "lo": 0.6, "hi": 1.0}, {"value": 0.6, "lo": 0.2, "hi": 0.6}
    assert decide({MAIN: upwards}, champion, version="2", main=MAIN, guards=[]).promoted
    assert not decide({MAIN: downwards}, champion, version="2", main=MAIN, guards=[]).promoted


def test_a_decision_does_not_change():
    decision = decide({MAIN: entry(0.61)}, OLD, version="2", main=MAIN, guards=[])
    with pytest.raises(FrozenInstanceError):
        decision.promoted = False
