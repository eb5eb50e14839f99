"""The events of a long window, and what all families of long-term questions need to say about them."""

from __future__ import annotations

from collections import Counter
from itertools import product

from components.prompts.kitchen_grammar import Facts

PAUSE_S = 0.5  # between events that are told apart in time: annotators are off by tenths of a second
MOST_DISTRACTORS = 5

Event = tuple[Facts, float, float]  # facts, start_s, end_s


def phrase(facts: Facts) -> str:
    """Say an event without its hand: what identifies it inside a window."""
    return f"{facts.verb} the {facts.object}"


def ordered(events: list[Event]) -> list[Event]:
    """Return the events in the order of time, whatever the order of their rows."""
    return sorted(events, key=lambda event: (event[1], event[2], phrase(event[0])))


def repeated(events: list[Event]) -> set[str]:
    """Return the phrases that name more than one event; no question can refer to those."""
    return {text for text, count in Counter(phrase(facts) for facts, _, _ in events).items() if count > 1}


def invented(events: list[Event]) -> list[str]:
    """Combine the verbs and objects of a window to phrases of what does not happen in it."""
    happened = {phrase(facts) for facts, _, _ in events}
    verbs = dict.fromkeys(facts.verb for facts, _, _ in events)
    objects = dict.fromkeys(facts.object for facts, _, _ in events)
    return [text for verb, name in product(verbs, objects) if (text := f"{verb} the {name}") not in happened]
