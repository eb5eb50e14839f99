"""Long-term questions over a window of several events: sequence and counting (systems §4.1, EgoRe-5M Long)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

from components.data.egore.qa import QA, draw
from components.prompts import Facts

TYPES = ("sequence", "counting")
_COUNTS = 5  # options are 1 to this, or to one above the answer: far-off numbers would need no look at the video
_SEQUENCE_DISTRACTORS = 5

Event = tuple[Facts, float, float]  # facts, start_s, end_s


def phrase(facts: Facts) -> str:
    """Say an event without its hand: what identifies it inside a window."""
    return f"{facts.verb} the {facts.object}"


def repeated(events: list[Event]) -> set[str]:
    """Give the phrases that name more than one event; no question can refer to those."""
    return {said for said, count in Counter(phrase(facts) for facts, _, _ in events).items() if count > 1}


def _sequence(events: list[Event]) -> list[QA]:
    ambiguous = repeated(events)
    happened = list(dict.fromkeys(phrase(facts) for facts, _, _ in events))
    verbs = dict.fromkeys(facts.verb for facts, _, _ in events)
    objects = dict.fromkeys(facts.object for facts, _, _ in events)
    invented = [f"{verb} the {name}" for verb, name in product(verbs, objects) if f"{verb} the {name}" not in happened]
    made = []
    for (before, _, _), (after, _, _) in pairwise(events):
        anchor, answer = phrase(before), phrase(after)
        if not {anchor, answer} & ambiguous:
            # events of the same window first: they are the options that only the order rules out
            false = [said for said in happened if said not in (anchor, answer)] + invented
            question = f"what does C do right after this: {anchor}?"
            made.append(QA("sequence", question, answer, tuple(false[:_SEQUENCE_DISTRACTORS])))
    return [qa for qa in made if qa.distractors]


def _counting(events: list[Event]) -> list[QA]:
    objects = len({facts.object for facts, _, _ in events})
    asked = [("how many different objects does C handle?", objects)]
    times = Counter(facts.verb for facts, _, _ in events)
    # one verb for each count: most verbs happen once, and asking for all would make "1" the answer without a look
    for count in sorted(set(times.values())):
        verbs = sorted(verb for verb, happened in times.items() if happened == count)
        verb = verbs[draw(len(verbs), count, *(phrase(facts) for facts, _, _ in events))]
        asked.append((f"how many times does this happen: C {verb} something?", count))
    return [
        QA("counting", question, str(count), tuple(str(n) for n in range(1, max(_COUNTS, count + 1) + 1) if n != count))
        for question, count in asked
    ]


def questions(events: list[Event]) -> list[QA]:
    """Ask what follows an event and how many there are.

    Args:
        events: every event of the window; times in seconds from its start. They are put in order here.

    Returns:
        One sequence question for each pair of neighbours that their phrases identify, one counting question for the
        objects and one for each number of times that some verb happens. Empty for an empty window.
    """
    if not events:
        return []
    ordered = sorted(events, key=lambda event: (event[1], event[2], phrase(event[0])))
    return _sequence(ordered) + _counting(ordered)
