"""Short-term questions about seconds of one take: the seven types of systems §4.1 (EgoRe-5M Short).

Pure functions over `prompts.Facts`; `short_term` asks the same of tables. A question names at most the slots that it
does not ask for, so that its own text cannot give the answer.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from components.data.egore.multiple_choice import QA
from components.prompts import NO, YES
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts

TYPES = ("existence", "attribute", "count", "interaction", "action", "reason", "background")
MOST_NARRATIONS = 4  # that a window of a counting question joins, so also the most objects that it can have


class Form(NamedTuple):
    """How a question is put, and the words that can answer it."""

    question_type: str
    question: str
    words: tuple[str, ...]


FORMS = {
    "existence": Form("existence", "is there a {facts.object}?", (YES, NO)),
    "attribute": Form("attribute", "what colour is the {facts.type} that C {facts.verb}?", COLOURS),
    "count": Form(
        "count",
        "how many different objects does C handle?",
        tuple(str(number) for number in range(1, MOST_NARRATIONS + 1)),
    ),
    "hand": Form("interaction", "which hand does C use for the {facts.object}?", HANDS),
    "object": Form("interaction", "which kind of object is it that C {facts.verb}?", KINDS),
    "action": Form("action", "what does C do with the {facts.object}?", VERBS),
    "reason": Form("reason", "C {facts.verb} the {facts.object}. to do what with it?", VERBS),
    "background": Form("background", "what colour is the {facts.type} that C does not touch?", COLOURS),
}


def ask(form: str, facts: Facts, answer: str, *, but: tuple[str, ...] = ()) -> QA:
    """Ask by a form of `FORMS`; the distractors are its other words, without those of `but`."""
    kind, question, words = FORMS[form]
    return QA(kind, question.format(facts=facts), answer, tuple(word for word in words if word not in (answer, *but)))


def questions(facts: Facts) -> list[QA]:
    """Ask for each slot of the facts; the hand only where the annotator named it.

    >>> [qa.answer for qa in questions(Facts("picks up", "red", "cup"))]
    ['picks up', 'red', 'cup']
    """
    slots = {"action": facts.verb, "attribute": facts.colour, "object": facts.type, "hand": facts.hand}
    return [ask(form, facts, answer) for form, answer in slots.items() if answer]


def existence(colour: str, kind: str, *, there: bool) -> QA:
    """Ask whether there is an object of this look."""
    return ask("existence", Facts("", colour, kind), YES if there else NO)


def background(colour: str, kind: str) -> QA:
    """Ask for the colour of something that lies there untouched."""
    return ask("background", Facts("", colour, kind), colour)


def count(steps: list[Facts]) -> QA:
    """Ask how many objects are handled in a window.

    Args:
        steps: every narration of the window; an event that two annotators tell counts once.
    """
    return ask("count", steps[0], str(len({facts.object for facts in steps})))


def reason(facts: Facts, verb: str) -> QA:
    """Ask what an action was for.

    Args:
        facts: the action.
        verb: what C does next with the same object.
    """
    return ask("reason", facts, verb, but=(facts.verb,))


def reasons(steps: list[Facts]) -> list[tuple[Facts, Facts]]:
    """Pair each step with the next one on the same object, where that is another action.

    Args:
        steps: in the order of time.

    >>> cup, bowl = Facts("picks up", "red", "cup"), Facts("washes", "red", "bowl")
    >>> [then.verb for _, then in reasons([cup, bowl, Facts("pours", "red", "cup")])]
    ['pours']
    """
    of_object: dict[str, list[Facts]] = {}
    for facts in steps:
        of_object.setdefault(facts.object, []).append(facts)
    return [(one, then) for done in of_object.values() for one, then in pairwise(done) if one.verb != then.verb]


def alike(colour: str, kind: str) -> list[tuple[str, str]]:
    """Return the looks (colour, kind) that differ in one of the two, so that a glance at one slot cannot tell."""
    return [(other, kind) for other in COLOURS if other != colour] + [
        (colour, other) for other in KINDS if other != kind
    ]
