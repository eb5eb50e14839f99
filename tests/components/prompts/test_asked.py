"""A closed question of people says its options wherever our models are asked it; those that rules wrote do not."""

import pytest

from components.prompts import asked_question, spelled_out

CLOSED = {"kind": "choice", "choices": ["red", "blue"]}
ASKED = {"question": "which colour?", "answer": "red", "target": CLOSED, "media": [{"start_s": 0.0, "end_s": 2.0}]}


@pytest.mark.parametrize("corpus", ["egoit", "general"])
def test_our_models_are_told_the_options_as_foreign_ones_are(corpus):
    asked = asked_question(ASKED | {"corpus": corpus}, None)
    assert asked == "which colour? Choose one of: red; blue."
    assert spelled_out(ASKED["question"], CLOSED, reasoned=False).startswith(asked)


@pytest.mark.parametrize("changes", [{"corpus": "egore"}, {"corpus": "egoit", "target": {"kind": "text"}}])
def test_other_questions_stay_as_they_are(changes):
    assert asked_question(ASKED | changes, None) == ASKED["question"]
