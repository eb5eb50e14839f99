"""Short-term questions on one narrated moment: action, attribute, object, hand (systems §4.1, EgoRe-5M Short)."""

from __future__ import annotations

from components.data.egore.qa import QA
from components.prompts import COLOURS, HANDS, KINDS, VERBS, Facts

TYPES = ("action", "attribute", "object", "hand")


def _others(options: tuple[str, ...], answer: str) -> tuple[str, ...]:
    return tuple(option for option in options if option != answer)


def questions(facts: Facts) -> list[QA]:
    """Ask for each slot of the facts; the hand only where the annotator named it.

    A question names at most the slots that it does not ask for, so that its own text cannot give the answer.

    >>> [qa.answer for qa in questions(Facts("picks up", "red", "cup"))]
    ['picks up', 'red', 'cup']
    """
    asked = [
        ("action", f"what does C do with the {facts.object}?", facts.verb, VERBS),
        ("attribute", f"what colour is the {facts.type} that C {facts.verb}?", facts.colour, COLOURS),
        ("object", f"which kind of object is it that C {facts.verb}?", facts.type, KINDS),
    ]
    if facts.hand:
        asked.append(("hand", f"which hand does C use for the {facts.object}?", facts.hand, HANDS))
    return [QA(kind, question, answer, _others(words, answer)) for kind, question, answer, words in asked]
