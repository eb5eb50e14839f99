"""The grammar of the miniature kitchen: its words, its narrations, and the slots that a text names.

Only what the world writes follows it; narrations of people do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

VERBS = ("picks up", "puts down", "washes", "cuts", "stirs", "pours", "shakes", "opens")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
KINDS = ("cup", "bowl", "pan", "bottle", "plate", "box", "carrot", "fish")
HANDS = ("left", "right")
REGIONS = ("sink", "stove", "counter", "drawer")


_NARRATION = re.compile(
    rf"^(?:#?C )?C?\s*(?P<verb>{'|'.join(VERBS)}) the (?P<colour>{'|'.join(COLOURS)}) (?P<type>{'|'.join(KINDS)})"
    rf"(?: with the (?P<hand>{'|'.join(HANDS)}) hand)?\.?$"
)


@dataclass(frozen=True)
class Facts:
    """The four slots of a kitchen narration; `hand` is None where the annotator did not say."""

    verb: str
    colour: str
    type: str
    hand: str | None = None

    @property
    def object(self) -> str:
        """Colour and type, as one refers to it: "red cup"."""
        return f"{self.colour} {self.type}"

    @property
    def event(self) -> str:
        """What happens, without the hand: "C washes the red cup"."""
        return f"C {self.verb} the {self.object}"


def narrate(facts: Facts) -> str:
    """Write the facts as an annotator would say them.

    >>> narrate(Facts("picks up", "red", "cup", "right"))
    'C picks up the red cup with the right hand.'
    """
    hand = f" with the {facts.hand} hand" if facts.hand else ""
    return f"{facts.event}{hand}."


@lru_cache(1 << 16)  # the same narrations stand in several tables
def parse_narration(text: str) -> Facts | None:
    """Read the slots back out of a narration, or None where it is no sentence of the kitchen's grammar."""
    match = _NARRATION.match(text.strip())
    return Facts(**match.groupdict()) if match else None


def event_of(text: str) -> str | None:
    """Return the event that a narration tells, without the hand; None where the grammar cannot read it.

    >>> event_of("#C C washes the red cup with the left hand.")
    'C washes the red cup'
    """
    facts = parse_narration(text)
    return facts.event if facts else None


def normalise(text: str) -> str:
    """Write a narration of the grammar in its one normal form; any other text only loses the spaces around it.

    >>> normalise("#C C washes the red cup"), normalise(" C looks around ")
    ('C washes the red cup.', 'C looks around')
    """
    facts = parse_narration(text)
    return narrate(facts) if facts else text.strip()


def similar_looks(colour: str, kind: str) -> list[tuple[str, str]]:
    """Return the looks (colour, kind) that differ in one of the two, so that a glance at one slot cannot tell."""
    return [(other, kind) for other in COLOURS if other != colour] + [
        (colour, other) for other in KINDS if other != kind
    ]


def slots(text: str) -> dict[str, str | None]:
    """Find the first verb, colour, type and hand that a free text names (for scoring captions).

    >>> slots("C washes the blue bowl")["verb"]
    'washes'
    """

    def first(words: tuple[str, ...]) -> str | None:
        match = re.search(rf"\b({'|'.join(words)})\b", text)
        return match.group(1) if match else None

    return {"verb": first(VERBS), "colour": first(COLOURS), "type": first(KINDS), "hand": first(HANDS)}
