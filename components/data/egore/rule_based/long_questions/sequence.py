"""Sequence: what happens right after an event?"""

from __future__ import annotations

from itertools import pairwise

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.long_questions.events import (
    MOST_DISTRACTORS,
    Event,
    invented,
    phrase,
    repeated,
)


def questions(events: list[Event]) -> list[QA]:
    """Ask what follows each event, where its phrase and that of the answer name one event of the window each.

    Args:
        events: all of the window, in the order of time.
    """
    ambiguous, fictitious = repeated(events), invented(events)
    happened = list(dict.fromkeys(phrase(facts) for facts, _, _ in events))
    made = []
    for (before, _, _), (after, _, _) in pairwise(events):
        anchor, answer = phrase(before), phrase(after)
        if not {anchor, answer} & ambiguous:
            # events of the same window first: they are the options that only the order rules out
            false = [text for text in happened if text not in (anchor, answer)] + fictitious
            text = f"what does C do right after this: {anchor}?"
            made.append(QA("sequence", text, answer, tuple(false[:MOST_DISTRACTORS])))
    return made
