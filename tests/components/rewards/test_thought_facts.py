import json

import pytest

from components.rewards.thought_facts import facts_of, likeness
from tests import calibrate_rationale


@pytest.mark.parametrize(
    ("thought", "sequence", "things", "hands", "spans"),
    [
        ("C handles the green cup. the action is washes", ("handle", "wash"), {"green", "cup"}, set(), []),
        (
            "First, C opens the drawer and takes a plastic bottle from the shelf; then C is pouring it.",
            ("open", "take"),
            {"drawer", "plastic", "bottle", "shelf"},
            set(),
            [],
        ),
        ("The left hand holds the bowl from 3 . 5 to 6 s", ("hold",), {"bowl"}, {"left"}, [(3.5, 6.0)]),
        ("washes red C the the ( 8 , 4 )", ("wash",), {"red"}, set(), []),  # what a tiny model may write
        ("it begins at 3 s", (), set(), set(), []),
        ("C washes the cup from 3 seconds to 6 seconds.", ("wash",), {"cup"}, set(), [(3.0, 6.0)]),
        ("C washes 2 and 6 spoons.", ("wash",), {"spoon"}, set(), [(2.0, 6.0)]),  # an "s" that is no unit
        ("", (), set(), set(), []),
    ],
)
def test_facts_are_read_from_the_grammar_and_from_free_text(thought, sequence, things, hands, spans):
    found = facts_of(thought)
    assert (found.sequence, found.things, found.hands, found.spans) == (sequence, things, hands, tuple(spans))


def test_what_comes_first_counts():
    told = facts_of("C cuts the carrot. then C washes the bowl")
    turned = facts_of("C washes the bowl. then C cuts the carrot")
    assert likeness(told, told) == 1.0 and likeness(told, turned) == pytest.approx(2 / 3)
    assert likeness(facts_of(""), facts_of("")) == 0.0


@pytest.fixture(scope="module")
def measured():
    return calibrate_rationale.calibrate(120, seed=1)


@pytest.mark.parametrize("corruption", calibrate_rationale.CORRUPTIONS)
def test_the_judge_tells_a_corrupted_rationale(measured, corruption):
    found = measured[corruption]
    if corruption == "none (control)":
        assert 0.42 < found["by_facts"] < 0.58  # what is not corrupted is not told apart
    else:
        assert found["by_facts"] >= 0.87  # 0.9 but for the noise of fewer references
        assert found["by_facts"] >= found["by_words"]


def test_the_recorded_calibration_is_good_enough():
    recorded = json.loads(calibrate_rationale.RESULTS.read_text())["auc"]
    assert recorded.keys() == calibrate_rationale.CORRUPTIONS.keys()
    least = min(found["by_facts"] for name, found in recorded.items() if "control" not in name)
    assert least >= calibrate_rationale.LEAST_AUC
