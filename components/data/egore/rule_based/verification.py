"""False events for verification questions: each differs from a true one in a single slot of the kitchen's grammar."""

from __future__ import annotations

from components.data.egore.multiple_choice import draw
from components.prompts.kitchen_grammar import VERBS, Facts, parse_narration, similar_looks


def misaligned(event: str, done: set[str], key: tuple[object, ...]) -> str | None:
    """Return an event that differs from a true one in one slot and happens at no time of the take.

    Half of them have another verb. The others have another object: one that is handled in the take where there is one,
    so that its mere presence tells nothing.

    Args:
        event: what happens, as `kitchen_grammar.event_of` reads it.
        done: every event of the take, in the same form.
        key: what the draw is for: the same key draws the same event.

    Returns:
        The event; None where every event like the true one is done.

    Raises:
        ValueError: one of the events is no sentence of the grammar.

    >>> misaligned("C cuts the red fish", {"C cuts the red fish", "C opens the blue box"}, key=(1,))
    'C opens the red fish'
    """
    true, others = _read(event), [_read(other) for other in done]
    verbs = [Facts(verb, true.colour, true.type) for verb in VERBS]
    objects = sorted({(other.object, other.colour, other.type) for other in others})
    handled = [Facts(true.verb, colour, kind) for _, colour, kind in objects]
    looks = [Facts(true.verb, *look) for look in similar_looks(true.colour, true.type)]
    by_slot = (verbs, handled, looks) if draw(2, *key, "slot") == 0 else (handled, looks, verbs)
    fresh = ([facts.event for facts in slot if facts.event not in done] for slot in by_slot)
    possible = next((events for events in fresh if events), [])
    return possible[draw(len(possible), *key, "event")] if possible else None


def _read(event: str) -> Facts:
    facts = parse_narration(event)
    if facts is None:
        raise ValueError(
            f"{event!r} came as an event, allowed are sentences of components/prompts/kitchen_grammar.py; "
            "read events with its `event_of`"
        )
    return facts
