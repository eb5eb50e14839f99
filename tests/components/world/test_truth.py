"""The oracle on a take made by hand, and on all that the rules ask of scripted takes: answers true, options false."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.egore.rule_based import long_questions
from components.data.egore.rule_based.chain_of_thought import question as with_cue
from components.data.egore.rule_based.short_questions import slots
from components.prompts import spatial_question, temporal_question, think_answer
from components.prompts.kitchen_grammar import narrate
from components.world.script import Event, Item, Take, script_take
from components.world.shapes import ego_shapes
from components.world.truth import judge

TAKE = Take(
    index=0,
    take_s=16.0,
    items=(Item("red", "cup", 0), Item("blue", "bowl", 2), Item("green", "pan", 4), Item("white", "fish", 7)),
    events=(
        Event(1.0, 3.0, "picks up", 0, "left", 0),
        Event(3.0, 5.0, "washes", 1, "right", 2),
        Event(6.0, 8.0, "puts down", 0, "left", 3),
        Event(9.0, 11.0, "cuts", 1, "left", 2),
        Event(12.0, 15.0, "stirs", 2, "right", 4),
    ),
    light=1.0,
)
WHOLE = (0.0, 16.0)
OBJECTS, WASHES = "how many different objects does C handle?", "how many times does this happen: C washes something?"
ALL = "picks up the red cup, washes the blue bowl, puts down the red cup, cuts the blue bowl, stirs the green pan"
CUTS, SEEN = "cuts the blue bowl", think_answer("C washes the blue bowl", "no")
POSSIBLE, FREE = "what made that possible?", "C cuts something with the left hand. what made that hand free?"
CASES = [  # type, question, right, wrong, span
    ("narration", "any words", "C washes the blue bowl with the right hand.", "C washes the red cup.", (3.8, 4.2)),
    ("narration", "any words", "C washes the blue bowl.", "C washes the blue bowl with the left hand.", (3.8, 4.2)),
    ("narration", "any words", "C washes the blue bowl.", "C cuts the blue bowl.", (3.8, 4.2)),
    ("action", "what does C do with the blue bowl?", "washes", "cuts", (3.5, 4.5)),
    ("action", "name the verb of this clip.", "washes", "puts down", (2.9, 5.1)),
    ("attribute", "what colour is the bowl that C washes?", "blue", "red", (3.5, 4.5)),
    ("interaction", "which kind of object is it that C washes?", "bowl", "cup", (3.5, 4.5)),
    ("interaction", "which hand does C use for the blue bowl?", "right", "left", (3.5, 4.5)),
    ("hand", "which hand does C use for the blue bowl?", "left", "right", (9.5, 10.5)),
    ("existence", "is there a blue bowl?", "yes", "no", (3.5, 4.5)),
    ("existence", "is there a white fish?", "no", "yes", (3.5, 4.5)),
    ("existence", "is there a yellow box?", "no", "yes", (3.5, 4.5)),
    ("verification", "does this happen: C washes the blue bowl?", "yes", "no", (3.1, 4.9)),
    ("verification", "does this happen: C cuts the blue bowl?", "no", "yes", (3.1, 4.9)),
    ("verification_rationale", f"does this happen: C {CUTS}?", SEEN, SEEN.replace("washes", "opens"), (3.1, 4.9)),
    ("verification_rationale", f"does this happen: C {CUTS}?", SEEN, SEEN.replace("no<", "yes<"), (3.1, 4.9)),
    ("count", OBJECTS, "2", "3", (1.5, 7.5)),
    ("counting", OBJECTS, "3", "4", WHOLE),
    ("counting", OBJECTS, "3", "many", WHOLE),
    ("counting", WASHES, "1", "2", WHOLE),
    ("counting", WASHES, "0", "1", (5.5, 11.5)),
    ("reason", "C picks up the red cup. to do what with it?", "puts down", "washes", (1.5, 7.5)),
    ("background", "what colour is the cup that C does not touch?", "red", "blue", (0.0, 0.9)),
    ("sequence", "what does C do right after this: puts down the red cup?", CUTS, "stirs the green pan", WHOLE),
    ("prediction", "what does C do next?", "cuts the blue bowl", "stirs the green pan", (0.0, 8.5)),
    ("prediction", "what does C do next?", "stirs the green pan", "cuts the blue bowl", (0.0, 9.5)),
    ("summary", "what does C do, in order?", ALL, ALL.replace("stirs", "opens"), WHOLE),
    ("summary", "what does C do, in order?", f"washes the blue bowl, {CUTS}", f"{CUTS}, washes the blue bowl", WHOLE),
    ("reasoning", f"C puts down something. {POSSIBLE}", "picks up the red cup", "picks up the blue bowl", WHOLE),
    ("reasoning", f"C puts down something with the left hand. {POSSIBLE}", "picks up the red cup", CUTS, WHOLE),
    ("reasoning", FREE, "puts down the red cup", "puts down the blue bowl", WHOLE),
    ("temporal", "when is it that C washes the blue bowl?", (3.1, 4.9), (3.1, 4.5), WHOLE),
    ("temporal", "when is it that C washes the blue bowl?", (1.0, 3.0), (3.0, 5.0), (2.0, 16.0)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "question", "right", "wrong", "span"), CASES)
def test_right_answers_are_true_and_wrong_ones_false(kind, question, right, wrong, span):
    assert judge(TAKE, kind, question, right, *span) is True
    assert judge(TAKE, kind, question, wrong, *span) is False


def test_what_is_touched_or_carried_is_no_background():
    question = "what colour is the cup that C does not touch?"
    assert [judge(TAKE, "background", question, "red", *span) for span in ((1.5, 2.5), (4.0, 4.5))] == [False, False]


def test_an_event_cut_at_the_edge_is_judged_only_where_it_does_not_decide():
    # stirs is seen from 12.0 to 12.5, its middle is not: two objects or three
    assert [judge(TAKE, "count", OBJECTS, answer, 0.0, 12.5) for answer in "1234"] == [False, None, None, False]
    # cuts is cut too, but the bowl counts already
    assert judge(TAKE, "count", OBJECTS, "2", 0.0, 9.5) is True


def test_what_it_cannot_read_it_does_not_judge():
    assert judge(TAKE, "narration", "?", "C looks around.", 3.0, 4.0) is None
    assert judge(TAKE, "sequence", "why is the sky blue?", "scattering", 3.0, 4.0) is None
    assert judge(TAKE, "action", "name it.", "juggles", 3.0, 4.0) is None


def test_a_thought_is_judged_by_its_answer():
    question = with_cue(slots.questions(TAKE.facts(TAKE.events[1]))[0])
    assert judge(TAKE, "cot", question, think_answer("C handles the blue bowl", "washes"), 3.5, 4.5) is True
    assert judge(TAKE, "cot", question, think_answer("C handles the blue bowl", "cuts"), 3.5, 4.5) is False


def test_boxes_are_those_of_the_ego_camera():
    shapes = {shape.name: shape for shape in ego_shapes(TAKE, 4.0)}
    points = np.clip(np.concatenate(shapes["blue bowl"].polygons), 0, 1) * 100
    box, ask = (*points.min(0), *points.max(0)), spatial_question("blue bowl")
    shifted = (box[0] + 0.2 * (box[2] - box[0]), *box[1:])
    assert judge(TAKE, "spatial_object", ask, box, 4.0, 4.125) is True
    assert judge(TAKE, "spatial_object", ask, shifted, 4.0, 4.125) is False
    assert judge(TAKE, "spatial_object", spatial_question("white fish"), box, 4.0, 4.125) is False
    assert judge(TAKE, "spatial_object", spatial_question("yellow box"), box, 4.0, 4.125) is False


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_all_that_the_rules_ask_of_a_script_is_true_and_every_option_false(seed, index):
    take = script_take(seed, index)
    events = [(take.facts(event), event.start_s, event.end_s) for event in take.events]
    asked = [(qa, *WHOLE) for qa in long_questions.questions(events)]
    asked += [(qa, 0.0, end_s) for qa, end_s in long_questions.beginnings(events)]
    for event in take.events:
        middle_s = (event.start_s + event.end_s) / 2
        asked += [(qa, middle_s - 0.25, middle_s + 0.25) for qa in slots.questions(take.facts(event))]
        said, span = narrate(take.facts(event)), (event.start_s + 0.1, event.end_s - 0.1)
        assert judge(take, "narration", "", said, *span) is True
        assert judge(take, "temporal", temporal_question(take.facts(event).event), span, *WHOLE) is True
    for qa, start_s, end_s in asked:
        assert judge(take, qa.question_type, qa.question, qa.answer, start_s, end_s) is True, qa
        for option in qa.distractors:
            assert judge(take, qa.question_type, qa.question, option, start_s, end_s) is False, (qa, option)
