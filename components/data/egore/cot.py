"""Chains of thought for short-term questions: evidence first, then the option (systems §4.1, EgoRe-5M CoT).

The rule-based stand-in for the published reasoning model: the evidence is read off the facts, so it is always true.
"""

from __future__ import annotations

from components.data.egore.qa import QA
from components.prompts import Facts

_EVIDENCE = {
    "action": "C handles the {facts.object}. the action is {facts.verb}",
    "attribute": "C {facts.verb} a {facts.type}. the colour of the {facts.type} is {facts.colour}",
    "object": "C {facts.verb} something {facts.colour}. the object is a {facts.type}",
    "hand": "C {facts.verb} the {facts.object}. the hand on the {facts.type} is the {facts.hand} hand",
}


def question(qa: QA) -> str:
    """Ask for the reasoning too: without the cue, the same question would have two right forms of answer."""
    return f"{qa.question} reason in think, then answer."


def thought(facts: Facts, qa: QA) -> str:
    """Give the reasoning that leads to the answer of a short-term question.

    Raises:
        ValueError: the question type has no reasoning template.
    """
    if qa.question_type not in _EVIDENCE:
        raise ValueError(
            f"no chain of thought for question type {qa.question_type!r}, allowed are {sorted(_EVIDENCE)}; "
            "add one in components/data/egore/cot.py"
        )
    return _EVIDENCE[qa.question_type].format(facts=facts)
