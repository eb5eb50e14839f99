"""Chains of thought for short-term questions: evidence first, then the option (systems §4.1, EgoRe-5M CoT).

The rule-based stand-in for the published reasoning model, which first judges whether a segment deserves a chain: here
where the evidence has two steps at least. The evidence is read from the facts, so it is always true; each form of
question (components/data/egore/rule_based/short_questions) has its own words for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.short_questions import FORMS
from components.prompts.kitchen_grammar import HANDS, Facts

REASONED = tuple(name for name, form in FORMS.items() if form.thought)  # the forms that have a chain of thought


def question(qa: QA) -> str:
    """Ask for the reasoning too: without the cue, the same question would have two right forms of answer."""
    return with_cue(qa.question)


def with_cue(text: str) -> str:
    """Add to a question that the answer is to be reasoned for."""
    return f"{text} reason in think, then answer."


def form_of(qa: QA) -> str:
    """Return the name in `FORMS` of a short-term question."""
    if qa.question_type == "interaction":
        return "hand" if qa.answer in HANDS else "object"
    return qa.question_type


def suitable(forms: pd.Series, narrations: pd.Series) -> pd.Series:
    """Judge whether the evidence has two steps: a window of several events, or a clip that was narrated twice.

    Args:
        forms: names in `FORMS` of the questions.
        narrations: how many narrations the clip or window of each question holds.

    Returns:
        bool [N].
    """
    return forms.isin(REASONED) & (narrations > 1)


def thought(qa: QA, steps: Sequence[Facts]) -> str:
    """Return the reasoning that leads to the answer of a short-term question.

    Args:
        qa: the question.
        steps: the narrations that the answer rests on, in the order of time: those of a window, or the one of a clip.

    Raises:
        ValueError: the question type has no chain of thought.

    >>> cup = Facts("picks up", "red", "cup")
    >>> thought(QA("reason", "", "pours", ()), [cup, Facts("pours", "red", "cup")])
    'C picks up the red cup. then C pours the red cup'
    """
    write = FORMS[form_of(qa)].thought
    if write is None:
        raise ValueError(
            f"no chain of thought for question type {qa.question_type!r}, allowed are the types of {REASONED}; "
            "add one to its form in components/data/egore/rule_based/short_questions"
        )
    return write(steps, qa.answer)
