"""The pure question functions: true, unambiguous, never given away by their own text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.egore import cot, long, short
from components.data.egore.qa import QA, options
from components.prompts import COLOURS, HANDS, KINDS, VERBS, Facts

FACTS = st.builds(
    Facts, st.sampled_from(VERBS), st.sampled_from(COLOURS), st.sampled_from(KINDS), st.sampled_from((*HANDS, None))
)
EVENTS = st.lists(FACTS, min_size=1, max_size=7).map(
    lambda facts: [(fact, 2.0 * index, 2.0 * index + 1.5) for index, fact in enumerate(facts)]
)
SLOT = {"action": "verb", "attribute": "colour", "object": "type", "hand": "hand"}


@given(FACTS)
def test_short_questions_answer_their_slot_and_hide_it(facts):
    asked = short.questions(facts)
    assert {qa.question_type for qa in asked} == set(SLOT) - (set() if facts.hand else {"hand"})
    for qa in asked:
        assert qa.answer == getattr(facts, SLOT[qa.question_type])
        assert qa.answer not in qa.distractors
        assert qa.answer not in qa.question


@given(FACTS)
def test_thought_names_the_answer_it_leads_to(facts):
    for qa in short.questions(facts):
        assert qa.answer in cot.thought(facts, qa)


def test_thought_refuses_a_question_without_a_template():
    with pytest.raises(ValueError, match="counting.*allowed are.*action"):
        cot.thought(Facts("cuts", "red", "fish"), QA("counting", "?", "1", ("2",)))


@given(EVENTS)
def test_sequence_questions_hold_of_the_window(events):
    said = [long.phrase(facts) for facts, _, _ in events]
    for qa in long.questions(events):
        if qa.question_type == "sequence":
            anchor = qa.question.removeprefix("what does C do right after this: ").removesuffix("?")
            assert said.count(anchor) == said.count(qa.answer) == 1
            assert said.index(qa.answer) == said.index(anchor) + 1
            assert not {anchor, qa.answer} & set(qa.distractors)


@given(EVENTS)
def test_counting_questions_count(events):
    for qa in long.questions(events):
        if qa.question == "how many different objects does C handle?":
            assert int(qa.answer) == len({facts.object for facts, _, _ in events})
        elif qa.question_type == "counting":
            assert int(qa.answer) == sum(f"C {facts.verb} " in qa.question for facts, _, _ in events)


@given(EVENTS, st.randoms())
def test_long_questions_do_not_depend_on_row_order(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    assert long.questions(shuffled) == long.questions(events)


def test_a_repeated_event_is_never_referred_to():
    cut = Facts("cuts", "red", "fish")
    events = [(cut, 0.0, 1.0), (Facts("washes", "red", "fish"), 2.0, 3.0), (cut, 4.0, 5.0)]
    assert [qa for qa in long.questions(events) if qa.question_type == "sequence"] == []


@given(FACTS, st.integers(2, 8), st.text(max_size=8))
def test_options_hold_the_answer_once_at_its_index(facts, count, key):
    for qa in short.questions(facts):
        laid, index = options(qa, count, key=key)
        assert laid[index] == qa.answer
        assert len(set(laid)) == len(laid) == min(count, len(qa.distractors) + 1)


def test_answer_positions_are_balanced_over_keys():
    qa = short.questions(Facts("stirs", "blue", "bowl"))[0]
    positions = [options(qa, 4, key=str(key))[1] for key in range(4000)]
    assert all(900 < positions.count(index) < 1100 for index in range(4))


def test_options_refuse_a_question_without_distractors():
    with pytest.raises(ValueError, match="no distractor"):
        options(QA("hand", "?", "left", ("left",)), 4, key="a")
