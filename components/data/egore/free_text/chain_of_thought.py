"""Chains of thought about narrations of people: what is told of the seconds shown, step by step, then the answer.

As in the kitchen (components/data/egore/rule_based/chain_of_thought.py) a chain needs two steps of evidence. A clip of
one narration is shown with its neighbours, and the question is asked of all the seconds that are shown then.
"""

from __future__ import annotations

from components.data.egore.free_text.joined_questions import ended
from components.data.egore.free_text.moments import Log
from components.data.egore.free_text.same_event import normal
from components.data.egore.rule_based.timeline import LONGEST_S

_MOST_STEPS = 4


def widened(log: Log, start_s: float, end_s: float) -> tuple[float, float]:
    """Return the span of a clip with the narrations after and before it, as far as a short-term question may show.

    Args:
        log: of the video.
        start_s: start of the clip, seconds.
        end_s: end of the clip, seconds.
    """
    near = log.during(start_s - LONGEST_S, end_s + LONGEST_S, near_s=0.0)
    after = next((moment for moment in near if moment.start_s >= end_s), None)
    if after and ended(after) - start_s <= LONGEST_S:
        end_s = ended(after)
    before = next((moment for moment in reversed(near) if moment.end_s <= start_s), None)
    if before and end_s - before.start_s <= LONGEST_S:
        start_s = before.start_s
    return start_s, end_s


def steps(log: Log, start_s: float, end_s: float) -> list[str]:
    """Return what the wearer does in a span, in the order of time; empty where it is fewer than two things or many."""
    told = [moment.said.text for moment in log.during(start_s, end_s, near_s=0.0) if moment.askable]
    texts = list({normal(text): text for text in told}.values())
    return texts if 2 <= len(texts) <= _MOST_STEPS else []


def thought(texts: list[str], answer: str) -> str:
    """Write the reasoning.

    >>> thought(["C picks the onion", "C cuts the onion"], "cut")
    'C picks the onion. then C cuts the onion. so the answer is: cut'
    """
    return f"{'. then '.join(texts)}. so the answer is: {answer}"
