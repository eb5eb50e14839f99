"""Attribute, interaction and action: one slot of the clip's own narration is asked for, the others may be named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.fact_codes import OBJECTS
from components.data.egore.rule_based.short_questions.form import Candidates, Form, Shown
from components.data.egore.rule_based.timeline import Timeline
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts


def _thought(evidence: str) -> Callable[[Sequence[Facts], str], str]:
    """Return a function that fills in the evidence of one slot; the answer stands in the facts already."""

    def thought(steps: Sequence[Facts], answer: str) -> str:
        return evidence.format(facts=steps[0])

    return thought


FORMS = {
    "attribute": Form(
        "attribute",
        "what colour is the {facts.type} that C {facts.verb}?",
        COLOURS,
        thought=_thought("C {facts.verb} a {facts.type}. the colour of the {facts.type} is {facts.colour}"),
    ),
    "hand": Form(
        "interaction",
        "which hand does C use for the {facts.object}?",
        HANDS,
        thought=_thought("C {facts.verb} the {facts.object}. the hand on the {facts.type} is the {facts.hand} hand"),
    ),
    "object": Form(
        "interaction",
        "which kind of object is it that C {facts.verb}?",
        KINDS,
        thought=_thought("C {facts.verb} something {facts.colour}. the object is a {facts.type}"),
    ),
    "action": Form(
        "action",
        "what does C do with the {facts.object}?",
        VERBS,
        thought=_thought("C handles the {facts.object}. the action is {facts.verb}"),
    ),
}


def questions(facts: Facts) -> list[QA]:
    """Ask for each slot of the facts; for the hand only where the annotator named it.

    >>> [qa.answer for qa in questions(Facts("picks up", "red", "cup"))]
    ['picks up', 'red', 'cup']
    """
    slots = {"action": facts.verb, "attribute": facts.colour, "object": facts.type, "hand": facts.hand}
    return [FORMS[form].ask(facts, answer) for form, answer in slots.items() if answer]


def candidates(
    line: Timeline,
    own: tuple[np.ndarray, np.ndarray],
    inside: tuple[np.ndarray, np.ndarray],
    *,
    prefer_hand: np.ndarray,
    shown: Shown,
) -> list[Candidates]:
    """Ask for the slots of each clip's narration, where no other narration of the clip gives another answer.

    Args:
        line: the timeline of the clips' takes.
        own: event and hand of each clip's own narration, shape [N] each.
        inside: (row of a clip, place on the timeline) of every readable narration that a clip shows, shape [M] each.
        prefer_hand: where both can be asked, whether the interaction is the hand's and not the object's, bool [N].
        shown: the clips.

    Returns:
        The questions of the four forms; of the two forms of interaction each clip has at most one.
    """
    event, hand = own
    rows, narrations = inside
    verb, colour, kind = event // OBJECTS, event % OBJECTS // len(KINDS), event % len(KINDS)
    other, other_hand, own_event = line.event[narrations], line.hand[narrations], event[rows]
    same_verb, same_object = other // OBJECTS == own_event // OBJECTS, other % OBJECTS == own_event % OBJECTS
    same_kind = other % len(KINDS) == own_event % len(KINDS)
    other_hand = (other_hand >= 0) & (other_hand != hand[rows])

    def unambiguous(contradicts: np.ndarray) -> np.ndarray:
        return np.bincount(rows[contradicts], minlength=len(event)) == 0

    hand_possible = (hand >= 0) & unambiguous(same_object & other_hand)
    kind_possible = unambiguous(same_verb & ~same_kind)
    ask_hand = hand_possible & (prefer_hand | ~kind_possible)
    return [
        Candidates("attribute", unambiguous(same_verb & same_kind & ~same_object), event, colour, shown),
        Candidates("hand", ask_hand, event, hand, shown),
        Candidates("object", kind_possible & ~ask_hand, event, kind, shown),
        Candidates("action", unambiguous(same_object & ~same_verb), event, verb, shown),
    ]
