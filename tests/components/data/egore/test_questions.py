"""The pure question functions: true, unambiguous, never given away by their own text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.egore import multiple_choice as asking
from components.data.egore.multiple_choice import QA, options
from components.data.egore.rule_based import chain_of_thought, long_questions, short_questions
from components.data.egore.rule_based.long_questions.events import phrase
from components.data.egore.rule_based.short_questions import background, count, existence, reason, slots
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts, similar_looks

FACTS = st.builds(
    Facts, st.sampled_from(VERBS), st.sampled_from(COLOURS), st.sampled_from(KINDS), st.sampled_from((*HANDS, None))
)
EVENTS = st.lists(FACTS, min_size=1, max_size=7).map(
    lambda facts: [(fact, 2.0 * index, 2.0 * index + 1.5) for index, fact in enumerate(facts)]
)
SLOT = {"action": "verb", "attribute": "colour", "object": "type", "hand": "hand"}


@given(FACTS)
def test_short_questions_answer_their_slot_and_hide_it(facts):
    asked = {chain_of_thought.form_of(qa): qa for qa in slots.questions(facts)}
    assert set(asked) == set(SLOT) - (set() if facts.hand else {"hand"})
    for form, qa in asked.items():
        assert qa.question_type in short_questions.TYPES
        assert qa.answer == getattr(facts, SLOT[form])
        assert qa.answer not in qa.distractors
        assert qa.answer not in qa.question


@given(FACTS, st.booleans())
def test_existence_offers_yes_and_no(facts, there):
    qa = existence.question(facts.colour, facts.type, there=there)
    assert qa.question == f"is there a {facts.object}?"
    assert (qa.answer, qa.distractors) == (("yes", ("no",)) if there else ("no", ("yes",)))


@given(FACTS)
def test_a_like_look_differs_in_one_slot(facts):
    look = (facts.colour, facts.type)
    like = similar_looks(*look)
    assert len(set(like)) == len(COLOURS) + len(KINDS) - 2
    assert all(sum(a != b for a, b in zip(look, other, strict=True)) == 1 for other in like)


@given(st.lists(FACTS, min_size=1, max_size=4))
def test_count_counts_objects_and_not_narrations(steps):
    qa = count.question(steps)
    assert int(qa.answer) == len({facts.object for facts in steps})
    assert {qa.answer, *qa.distractors} == {"1", "2", "3", "4"}
    assert count.question([*steps, *steps]).answer == qa.answer


@given(st.lists(FACTS, max_size=8))
def test_reasons_are_the_next_action_on_the_object(steps):
    for one, then in reason.pairs(steps):
        after = [facts for facts in steps[steps.index(one) :] if facts.object == one.object]
        assert then in after and then.verb != one.verb
        qa = reason.question(one, then.verb)
        assert qa.question == f"C {one.verb} the {one.object}. to do what with it?"
        assert qa.answer == then.verb and one.verb not in qa.distractors


@given(FACTS, FACTS)
def test_thought_names_the_answer_it_leads_to(facts, other):
    steps = [(qa, [facts]) for qa in slots.questions(facts)]
    steps += [
        (count.question([facts, other]), [facts, other]),
        (reason.question(facts, other.verb), [facts, other]),
    ]
    for qa, told in steps:
        assert qa.answer in chain_of_thought.thought(qa, told)


def test_a_thought_about_a_count_names_each_event_once():
    cup, bowl = Facts("cuts", "red", "cup", "left"), Facts("cuts", "blue", "bowl")
    thought = chain_of_thought.thought(count.question([cup, cup, bowl]), [cup, Facts("cuts", "red", "cup"), bowl])
    assert thought == "C handles the red cup, then the blue bowl. different objects: 2"


@pytest.mark.parametrize("qa", [existence.question("red", "cup", there=True), background.question("red", "cup")])
def test_thought_refuses_a_question_without_a_template(qa):
    with pytest.raises(ValueError, match=f"{qa.question_type}.*allowed are.*action"):
        chain_of_thought.thought(qa, [])


def test_two_steps_of_evidence_deserve_a_thought():
    forms = pd.Series(["count", "reason", "action", "action", "existence", "background"])
    assert chain_of_thought.suitable(forms, pd.Series([2, 2, 2, 1, 2, 2])).tolist() == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@settings(deadline=None)
@given(EVENTS)
def test_sequence_questions_hold_of_the_window(events):
    said = [phrase(facts) for facts, _, _ in events]
    for qa in long_questions.questions(events):
        if qa.question_type == "sequence":
            anchor = qa.question.removeprefix("what does C do right after this: ").removesuffix("?")
            assert said.count(anchor) == said.count(qa.answer) == 1
            assert said.index(qa.answer) == said.index(anchor) + 1
            assert not {anchor, qa.answer} & set(qa.distractors)


@settings(deadline=None)
@given(EVENTS)
def test_counting_questions_count(events):
    for qa in long_questions.questions(events):
        if qa.question == "how many different objects does C handle?":
            assert int(qa.answer) == len({facts.object for facts, _, _ in events})
        elif qa.question_type == "counting":
            assert len(qa.distractors) == 3 and all(int(number) >= 0 for number in qa.distractors)
            assert int(qa.answer) == sum(f"C {facts.verb} " in qa.question for facts, _, _ in events)


@settings(deadline=None)
@given(EVENTS, st.randoms())
def test_long_questions_do_not_depend_on_row_order(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    assert long_questions.questions(shuffled) == long_questions.questions(events)


def test_a_repeated_event_is_never_referred_to():
    cut = Facts("cuts", "red", "fish")
    events = [(cut, 0.0, 1.0), (Facts("washes", "red", "fish"), 2.0, 3.0), (cut, 4.0, 5.0)]
    assert [qa for qa in long_questions.questions(events) if qa.question_type == "sequence"] == []


@settings(deadline=None)
@given(EVENTS)
def test_summaries_differ_from_the_truth_in_order_or_in_one_event(events):
    said = [phrase(facts) for facts, _, _ in events]
    for qa in (qa for qa in long_questions.questions(events) if qa.question_type == "summary"):
        told = qa.answer.split(", ")
        assert [phrase for phrase in said if phrase in told] == told and len(told) <= 5
        changed, reordered, both = (option.split(", ") for option in qa.distractors)
        assert sorted(reordered) == sorted(told) and reordered != told
        assert len(set(changed) - set(told)) == 1 and not set(changed) - set(told) & set(said)
        assert sorted(both) == sorted(changed) and both != changed


def test_reasons_are_the_pick_up_and_the_freed_hand():
    cup, bowl = ("red", "cup"), ("blue", "bowl")
    done = [
        ("picks up", *cup, "left"),
        ("washes", *bowl, "right"),
        ("puts down", *cup, "left"),
        ("cuts", *bowl, "left"),
    ]
    events = [(Facts(*facts), 3.0 * number, 3.0 * number + 2) for number, facts in enumerate(done)]
    asked = {qa.question: qa for qa in long_questions.questions(events) if qa.question_type == "reasoning"}
    assert {question: qa.answer for question, qa in asked.items()} == {
        "C puts down something. what made that possible?": "picks up the red cup",
        "C cuts something with the left hand. what made that hand free?": "puts down the red cup",
    }
    for qa in asked.values():  # the words must not tell: every option says the same verb
        assert {option.split(" the ")[0] for option in qa.distractors} == {qa.answer.split(" the ")[0]}
        assert "red cup" not in qa.question


def test_no_cause_is_asked_for_that_is_not_in_the_window():
    down, cut = Facts("puts down", "red", "cup", "left"), Facts("cuts", "blue", "bowl", "right")
    held_before = [(down, 0.0, 2.0), (cut, 3.0, 5.0)]
    no_hand = [(Facts("puts down", "red", "cup"), 0.0, 2.0), (Facts("cuts", "blue", "bowl", "left"), 3.0, 5.0)]
    for events in (held_before, no_hand):
        assert [qa for qa in long_questions.questions(events) if qa.question_type == "reasoning"] == []


@settings(deadline=None)
@given(EVENTS)
def test_a_prediction_ends_in_the_pause_before_its_answer(events):
    for qa, end_s in long_questions.beginnings(events):
        if qa.question_type == "prediction":
            coming = [facts for facts, start_s, _ in events if start_s > end_s]
            assert qa.answer == phrase(coming[0]) and qa.answer not in qa.distractors
            assert not any(start_s <= end_s <= last_s for _, start_s, last_s in events)


def test_nothing_is_predicted_without_a_pause():
    facts = [Facts("cuts", "red", "fish"), Facts("washes", "red", "fish"), Facts("opens", "blue", "box")]
    close = [(fact, 2.0 * number, 2.0 * number + 1.8) for number, fact in enumerate(facts)]
    assert long_questions.beginnings(close) == []
    at_once = [(facts[0], 0.0, 1.0), (facts[1], 3.0, 4.0), (facts[2], 3.2, 4.0)]
    assert {qa.question_type for qa, _ in long_questions.beginnings(at_once)} == {"counting"}


@given(FACTS, st.integers(2, 8), st.text(max_size=8))
def test_options_hold_the_answer_once_at_its_index(facts, count, key):
    for qa in slots.questions(facts):
        laid, index = options(qa, count, key=key)
        assert laid[index] == qa.answer
        assert len(set(laid)) == len(laid) == min(count, len(qa.distractors) + 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(2, 8), st.integers(0, 9), st.booleans())
def test_options_of_rows_hold_the_answer_once_at_its_index(answers, count, seed, held_back):
    answers = np.array(answers)
    lot = asking.random_draws(seed, of=[str(number) for number in range(len(answers))])
    implausible = np.tile(np.arange(6) >= 3, (len(answers), 1)) if held_back else None
    laid, index = asking.options_of_rows(answers, count, lot, words=6, implausible=implausible)
    assert laid.shape == (len(answers), min(count, 6))
    assert (laid[np.arange(len(answers)), index] == answers).all()
    for row, answer in zip(laid, answers, strict=True):
        assert len(set(row)) == len(row)
        others = set(row) - {answer}
        if held_back and others - {0, 1, 2}:
            assert others >= {0, 1, 2} - {answer}


def test_options_of_rows_are_balanced_in_position_and_choice():
    lot = asking.random_draws("key", of=[str(number) for number in range(8000)])
    laid, index = asking.options_of_rows(np.full(8000, 2), 4, lot, words=6)
    assert all(1800 < count < 2200 for count in np.bincount(index))
    assert all(4500 < count < 5100 for number, count in enumerate(np.bincount(laid.ravel())) if number != 2)


def test_lots_depend_on_key_and_text_alone():
    drawn = asking.random_draws(7, "a", of=["x", "y"])
    assert drawn.shape == (2, asking.DRAWS) and (drawn > 0).all() and (drawn <= 1).all()
    assert (asking.random_draws(7, "a", of=["y"]) == drawn[1:]).all()
    assert (asking.random_draws(8, "a", of=["x"]) != drawn[:1]).all()
    assert set(asking.below(3, drawn.ravel())) <= {0, 1, 2} and asking.below(3, np.array([1.0]))[0] == 2


def test_answer_positions_are_balanced_over_keys():
    qa = slots.questions(Facts("stirs", "blue", "bowl"))[0]
    positions = [options(qa, 4, key=str(key))[1] for key in range(4000)]
    assert all(900 < positions.count(index) < 1100 for index in range(4))


def test_options_that_differ_in_case_spaces_or_a_full_stop_are_one():
    qa = QA("action", "?", "Cut the onion.", ("cut  the onion", "wash it", "Wash it.", "peel it"))
    laid, index = options(qa, 4, key="a")
    assert len(laid) == 3 and laid[index] == qa.answer and "peel it" in laid


def test_options_refuse_a_question_without_distractors():
    with pytest.raises(ValueError, match="no distractor"):
        options(QA("hand", "?", "left", ("left",)), 4, key="a")
