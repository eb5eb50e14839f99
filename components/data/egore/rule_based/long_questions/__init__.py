"""Long-term questions over a window of several events, one module for each family (systems §4.1, EgoRe-5M Long).

Five of the six types; temporal grounding is in components/data/egore/grounding.py. A prediction is asked of seconds
that end before the answer begins, so `beginnings` stands beside `questions`.
"""

from __future__ import annotations

from itertools import accumulate

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.long_questions import counting, prediction, reasoning, sequence, summary
from components.data.egore.rule_based.long_questions.events import PAUSE_S, Event, invented, ordered, phrase

TYPES = ("sequence", "counting", "summary", "reasoning", "prediction")


def questions(events: list[Event]) -> list[QA]:
    """Ask what follows an event, how many there are, what happens in order, and what made an event possible.

    Args:
        events: every event of the window; times in seconds from its start. They are put in order here.

    Returns:
        The questions of the families `sequence`, `counting`, `summary` and `reasoning` that have a wrong option. Empty
        for an empty window.
    """
    if not events:
        return []
    in_order = ordered(events)
    made = [qa for family in (sequence, counting, summary, reasoning) for qa in family.questions(in_order)]
    return [qa for qa in made if qa.distractors]


def beginnings(events: list[Event]) -> list[tuple[QA, float]]:
    """Ask of each beginning of the window that ends in a pause: what comes next, and how many there were.

    Whole windows of a kind hold much the same numbers; their beginnings do not.

    Args:
        events: as for `questions`.

    Returns:
        The questions, each with the end of what it is asked of, in seconds: the middle of the pause, before which all
        earlier events have ended.
    """
    in_order = ordered(events)
    phrases, fictitious = [phrase(facts) for facts, _, _ in in_order], invented(in_order)
    starts_s = [start_s for _, start_s, _ in in_order]
    made = []
    for number, ended_s in enumerate(accumulate((end_s for _, _, end_s in in_order[:-1]), max), start=1):
        if starts_s[number] - ended_s >= PAUSE_S:
            end_s = (ended_s + starts_s[number]) / 2
            made += [(qa, end_s) for qa in counting.questions(in_order[:number])]
            if number + 1 == len(in_order) or starts_s[number + 1] - starts_s[number] >= PAUSE_S:
                made.append((prediction.question(phrases, number, fictitious), end_s))
    return [(qa, end_s) for qa, end_s in made if qa.distractors]
