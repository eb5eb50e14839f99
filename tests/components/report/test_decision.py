"""The decision in one sentence, and its table."""

from components.evaluation.promotion_gate import Decision
from components.report import champion_of
from components.report.decision import verdict

METRICS = {"qa/accuracy": {"value": 0.6}, "caption_ego/verb": {"value": 0.5}}


def test_a_first_model_is_compared_with_its_strongest_control():
    numbers = {"qa/accuracy.value": 0.2, "qa/accuracy.lo": 0.1, "qa/accuracy.hi": 0.3, "qa/accuracy.p_above": 0.001}
    found = verdict(Decision("1", True, "first model: it is above", numbers), METRICS, None)
    assert found.sentence == "Version 1 is the champion now: first model: it is above."
    assert found.table.header[2] == "strongest control"
    assert [text for text, _ in found.table.rows[0]] == [
        "qa/accuracy", "60.0", "40.0", "+20.0", "[+10.0, +30.0]", "0.001", "–", "must be better",
    ]  # fmt: skip


def test_too_few_takes_have_no_interval():
    decision = Decision("2", False, "not better", {"qa/accuracy.value": -0.1}, "1", None)
    found = verdict(decision, METRICS, ("champion, version 1", {"qa/accuracy": {"value": 0.7}}))
    assert found.sentence.startswith("Version 2 does not become champion")
    assert [text for text, _ in found.table.rows[0]][1:5] == ["60.0", "70.0", "−10.0", "–"]


def test_the_champion_that_comes_again_is_told_as_it_is(tmp_path):
    decision = Decision("2", False, "version 2 is the champion already", champion_version="2")
    assert verdict(decision, METRICS, None).sentence == "Version 2 is the champion already."
    assert verdict(decision, METRICS, None).table is None and champion_of(decision) is None
    gone = Decision("3", False, "cannot be compared: it is gone", {}, "2", tmp_path)
    assert champion_of(gone) is None and verdict(gone, METRICS, None).metrics == []
