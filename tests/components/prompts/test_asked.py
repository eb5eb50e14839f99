"""A closed question says its options where it must, and by letters where a thought is asked for, for every model."""

import pytest

from components.prompts import asked_question, spelled_out

CLOSED = {"kind": "choice", "choices": ["red", "blue"]}
ASKED = {
    "question": "which colour?", "question_type": "attribute", "answer": "red", "target": CLOSED,
    "media": [{"start_s": 0.0, "end_s": 2.0}], "corpus": "egore",
}  # fmt: skip
COT = ASKED | {"question_type": "cot"}
LETTERED = (
    "which colour?\nA. red\nB. blue\n"
    "Reason inside <think></think>, then give the letter of the right option alone inside <answer></answer>."
)


@pytest.mark.parametrize("corpus", ["egoit", "general"])
def test_our_models_are_told_the_options_as_foreign_ones_are(corpus):
    asked = asked_question(ASKED | {"corpus": corpus}, None, reasoned=False)
    assert asked == "which colour? Choose one of: red; blue."
    assert spelled_out(ASKED, None, reasoned=False) == f"{asked} Answer with the option alone."


@pytest.mark.parametrize("changes", [{"corpus": "egore"}, {"corpus": "egoit", "target": {"kind": "text"}}])
def test_other_questions_stay_as_they_are(changes):
    assert asked_question(ASKED | changes, None, reasoned=False) == ASKED["question"]


@pytest.mark.parametrize("corpus", ["egoit", "egore"])
@pytest.mark.parametrize(("sample", "reasoned"), [(ASKED, True), (COT, True), (COT, False)])
def test_a_reasoned_question_is_the_same_for_every_model_and_asks_for_nothing_else(corpus, sample, reasoned):
    sample = sample | {"corpus": corpus}
    assert asked_question(sample, None, reasoned=reasoned) == LETTERED
    assert spelled_out(sample, None, reasoned=reasoned) == LETTERED


@pytest.mark.parametrize("reasoned", [True, False])
def test_a_caption_is_never_reasoned_about_and_a_place_always_is(reasoned):
    caption = ASKED | {"target": {"kind": "text"}}
    assert asked_question(caption, None, reasoned=reasoned) == spelled_out(caption, None, reasoned=reasoned)
    for kind, form in (("box", "[x1, y1, x2, y2]"), ("span", "(start, end)")):
        asked = spelled_out(ASKED | {"target": {"kind": kind}}, None, reasoned=reasoned)
        assert "<think></think>" in asked and form in asked and "<answer></answer>" in asked
