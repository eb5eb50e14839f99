"""Reasoning: what made an event possible?"""

from __future__ import annotations

from itertools import product

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.long_questions.events import Event, phrase
from components.prompts.kitchen_grammar import Facts

_FEWEST_OBJECTS = 3  # beside the right one; where the window has fewer, some are made up
_MOVES = ("picks up", "puts down")


def questions(events: list[Event]) -> list[QA]:
    """Ask for the one cause that the rules know: what is put down was picked up, and a hand that put down is free.

    No question names the object: with it, the answer could be told without a look.

    Args:
        events: all of the window, in the order of time.

    Returns:
        A question for each event that can be named and whose cause is in the window.
    """
    objects = list(dict.fromkeys(facts.object for facts, _, _ in events))
    looks = product(dict.fromkeys(f.colour for f, _, _ in events), dict.fromkeys(f.type for f, _, _ in events))
    unseen = [name for look in looks if (name := " ".join(look)) not in objects]
    made = []
    for number, (facts, _, _) in enumerate(events):
        if facts.verb == "puts down":
            effect = _unique_name(events, number, hand=False) or _unique_name(events, number, hand=True)
            cause, why = _picked_up(events, number), "what made that possible?"
        else:
            effect = _unique_name(events, number, hand=True)
            cause, why = _freed_hand(events, number), "what made that hand free?"
        if effect and cause:
            false = [name for name in objects if name != cause.object]
            false += unseen[: max(0, _FEWEST_OBJECTS - len(false))]
            options = tuple(f"{cause.verb} the {name}" for name in false)
            made.append(QA("reasoning", f"{effect}. {why}", phrase(cause), options))
    return made


def _unique_name(events: list[Event], number: int, *, hand: bool) -> str | None:
    """Name an event without its object, with its hand or not; None where another event of the window has this name."""
    facts = events[number][0]
    others = [other for n, (other, _, _) in enumerate(events) if n != number and other.verb == facts.verb]
    if hand and facts.hand and all(other.hand not in (facts.hand, None) for other in others):
        return f"C {facts.verb} something with the {facts.hand} hand"
    return None if hand or others else f"C {facts.verb} something"


def _picked_up(events: list[Event], number: int) -> Facts | None:
    """Return the event that picked up what an event puts down; None where it is not in the window."""
    name = events[number][0].object
    moved = [facts for facts, _, _ in events[:number] if facts.object == name and facts.verb in _MOVES]
    return moved[-1] if moved and moved[-1].verb == "picks up" else None


def _freed_hand(events: list[Event], number: int) -> Facts | None:
    """Return what the hand of an event put down before and took nothing since; None where a hand is not known."""
    hand = events[number][0].hand
    for facts, _, _ in reversed(events[:number]):
        if hand is None or facts.hand is None:
            return None
        if facts.hand == hand and facts.verb in _MOVES:
            return facts if facts.verb == "puts down" else None
    return None
