"""Rationales of what one view shows (View30K, systems §5.2): its facts in the order of time, one step for each.

Written where rationales are taught and read back where they are compared, so the two cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from components.prompts.formats import format_span, parse_span
from components.prompts.kitchen_grammar import COLOURS, KINDS, VERBS, Facts

TYPES = {"verify": "verification_rationale", "ground_temporal": "temporal_rationale"}  # task -> question type


class Told(NamedTuple):
    """What one step of a rationale tells; `span_s` is in seconds from the start of the window, None where not said."""

    facts: Facts
    span_s: tuple[float, float] | None


def rationale(steps: Iterable[str]) -> str:
    """Join steps, as chains of thought do.

    >>> rationale(["C picks up the red cup (1, 3)", "C washes the red cup (4, 6)"])
    'C picks up the red cup (1, 3). then C washes the red cup (4, 6)'
    """
    return ". then ".join(steps)


def timed_step(event: str, start_s: float, end_s: float, step_s: float) -> str:
    """Say an event and its span.

    Args:
        event: what happens.
        start_s: seconds from the start of the window.
        end_s: seconds from the start of the window.
        step_s: both are rounded to multiples of this.

    >>> timed_step("C washes the red cup", 4.1, 5.8, 1.0)
    'C washes the red cup (4, 6)'
    """
    return f"{event} {format_span(start_s, end_s, step_s)}"


_TOLD = re.compile(
    rf"\b(?P<verb>{'|'.join(VERBS)}) the (?P<colour>{'|'.join(COLOURS)}) (?P<type>{'|'.join(KINDS)})\b"
    r"(?P<span>\s*\([^()]*\))?"
)


def told(thought: str) -> list[Told]:
    """Read the steps of a rationale of the kitchen back, in their order; what is no fact of its grammar is skipped.

    A word-level tokenizer puts its own spaces around brackets, commas and points.

    >>> told("C cuts the red fish ( 4 , 6 ) . then C opens the blue box")
    [Told(facts=Facts(verb='cuts', colour='red', type='fish', hand=None), span_s=(4.0, 6.0)), \
Told(facts=Facts(verb='opens', colour='blue', type='box', hand=None), span_s=None)]
    """
    return [
        Told(Facts(found["verb"], found["colour"], found["type"]), parse_span(found["span"]) if found["span"] else None)
        for found in _TOLD.finditer(thought)
    ]
