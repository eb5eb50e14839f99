"""Chains of thought for short-term questions: evidence first, then the option (systems §4.1, EgoRe-5M CoT).

The rule-based stand-in for the published reasoning model, which first judges whether a segment deserves a chain: here
where the evidence has two steps at least. The evidence is read off the facts, so it is always true.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from components.data.egore.multiple_choice import QA
from components.prompts.kitchen_grammar import HANDS, Facts

_SLOTS = {  # form of components/data/egore/rule_based/short_templates.py -> evidence
    "action": "C handles the {facts.object}. the action is {facts.verb}",
    "attribute": "C {facts.verb} a {facts.type}. the colour of the {facts.type} is {facts.colour}",
    "object": "C {facts.verb} something {facts.colour}. the object is a {facts.type}",
    "hand": "C {facts.verb} the {facts.object}. the hand on the {facts.type} is the {facts.hand} hand",
}
CHAINED = (*_SLOTS, "count", "reason")  # forms with a chain; the others are answered by a look at one frame


def question(qa: QA) -> str:
    """Ask for the reasoning too: without the cue, the same question would have two right forms of answer."""
    return cued(qa.question)


def cued(asked: str) -> str:
    """Add the cue to a question."""
    return f"{asked} reason in think, then answer."


def form(qa: QA) -> str:
    """Return the form of a short-term question."""
    if qa.question_type == "interaction":
        return "hand" if qa.answer in HANDS else "object"
    return qa.question_type


def suitable(forms: pd.Series, narrations: pd.Series) -> pd.Series:
    """Judge whether the evidence has two steps: a window of several events, or a clip that was narrated twice.

    Args:
        forms: of the questions (`short.FORMS`).
        narrations: how many the clip or window of each question holds.
    """
    return forms.isin(CHAINED) & (narrations > 1)


def thought(qa: QA, steps: Sequence[Facts]) -> str:
    """Return the reasoning that leads to the answer of a short-term question.

    Args:
        steps: what the question stands on, in the order of time: the narrations of a window, the action and the next
            one on its object, or the one narration of a clip.

    Raises:
        ValueError: the question type has no reasoning template.

    >>> cup = Facts("picks up", "red", "cup")
    >>> thought(QA("reason", "", "pours", ()), [cup, Facts("pours", "red", "cup")])
    'C picks up the red cup. then C pours the red cup'
    """
    if form(qa) not in CHAINED:
        raise ValueError(
            f"no chain of thought for question type {qa.question_type!r}, allowed are the types of {CHAINED}; "
            "add one in components/data/egore/rule_based/chain_of_thought.py"
        )
    if qa.question_type == "count":
        # two annotators tell the same event one after the other
        named = [name for name, _ in groupby(facts.object for facts in steps)]
        return f"C handles the {', then the '.join(named)}. different objects: {qa.answer}"
    if qa.question_type == "reason":
        return ". then ".join(f"C {facts.verb} the {facts.object}" for facts in steps)
    return _SLOTS[form(qa)].format(facts=steps[0])
