"""Counting: how many different objects, and how many times does C do something?"""

from __future__ import annotations

from collections import Counter

from components.data.egore.multiple_choice import QA, draw
from components.data.egore.rule_based.long_questions.events import Event, phrase
from components.prompts.kitchen_grammar import VERBS

_NUMBERS = 4  # beside one another to choose from: far-off ones would need no look at the video


def questions(events: list[Event]) -> list[QA]:
    """Ask for the number of objects, and for one verb of each number of times that some verb happens.

    Args:
        events: all of the window, at least one, in the order of time.
    """
    key = (len(events), phrase(events[0][0]), phrase(events[-1][0]))
    objects = len({facts.object for facts, _, _ in events})
    made = [QA("counting", "how many different objects does C handle?", str(objects), numbers_around(objects, 1, *key))]
    happened = Counter(facts.verb for facts, _, _ in events)
    times = {verb: happened[verb] for verb in VERBS}
    # one verb for each count: most verbs happen once or not at all, and asking for all would make those the answer
    for count in sorted(set(times.values())):
        verbs = [verb for verb, number in times.items() if number == count]
        text = f"how many times does this happen: C {verbs[draw(len(verbs), count, *key)]} something?"
        made.append(QA("counting", text, str(count), numbers_around(count, 0, *key)))
    return made


def numbers_around(count: int, least: int, *key: object) -> tuple[str, ...]:
    """Offer numbers in a row beside a count, which may stand anywhere among them: no place is right oftener."""
    first = max(least, count - draw(_NUMBERS, "numbers", count, *key))
    return tuple(str(number) for number in range(first, first + _NUMBERS) if number != count)
