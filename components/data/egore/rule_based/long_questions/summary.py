"""Summary: what happens in the window, in order?"""

from __future__ import annotations

from itertools import pairwise

from components.data.egore.multiple_choice import QA, draw
from components.data.egore.rule_based.long_questions.events import PAUSE_S, Event, invented, phrase, repeated

QUESTION = "what does C do, in order?"
MOST_EVENTS = 5  # named by a summary; the paper's windows hold dozens


def questions(events: list[Event]) -> list[QA]:
    """Ask for the events in order, beside a list in another order, one with another event, and one with both.

    Each list differs from two others in one thing, so that no list stands in the middle and gives itself away.

    Args:
        events: all of the window, in the order of time.

    Returns:
        At most one question; none where no two events are apart in time, or nothing false can be invented.
    """
    ambiguous, fictitious = repeated(events), invented(events)
    named = [(facts, start_s) for facts, start_s, _ in events if phrase(facts) not in ambiguous]
    if len(named) > MOST_EVENTS:  # evenly over the window
        named = [named[number * (len(named) - 1) // (MOST_EVENTS - 1)] for number in range(MOST_EVENTS)]
    apart = [n for n, (one, other) in enumerate(pairwise(named)) if other[1] - one[1] >= PAUSE_S]
    # what one object goes through has an order of its own, which one knows without a look
    swaps = [n for n in apart if named[n][0].object != named[n + 1][0].object] or apart
    if not swaps or not fictitious:
        return []
    true = [phrase(facts) for facts, _ in named]
    swap = swaps[draw(len(swaps), "swap", *true)]
    changed = true.copy()
    changed[draw(len(true), "change", *true)] = fictitious[draw(len(fictitious), "event", *true)]
    swapped = [[*texts[:swap], texts[swap + 1], texts[swap], *texts[swap + 2 :]] for texts in (true, changed)]
    return [QA("summary", QUESTION, ", ".join(true), tuple(", ".join(texts) for texts in (changed, *swapped)))]
