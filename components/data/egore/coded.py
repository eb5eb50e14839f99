"""Facts as numbers, so that the questions about millions of rows are looked up and not written one by one.

An object is colour * kinds + kind, an event is verb * objects + object; -1 stands for what is not known.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from components.data.egore.short import FORMS, alike
from components.prompts import COLOURS, HANDS, KINDS, VERBS, Facts, parse_narration

LOOKS = tuple(product(COLOURS, KINDS))
OBJECTS = len(LOOKS)
_OBJECT = {look: number for number, look in enumerate(LOOKS)}
_NAMED = re.compile(rf"\b({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")


def events(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Give the event and the hand that each text narrates, shape [N]; -1 where it does not parse or names no hand."""
    number, distinct = pd.factorize(texts)
    facts = [parse_narration(text) for text in distinct]
    event = [
        -1 if fact is None else VERBS.index(fact.verb) * OBJECTS + _OBJECT[fact.colour, fact.type] for fact in facts
    ]
    hand = [HANDS.index(fact.hand) if fact and fact.hand else -1 for fact in facts]
    # a missing text has number -1, which reads the last
    return np.array([*event, -1])[number], np.array([*hand, -1])[number]


def facts_of(event: int, hand: int = -1) -> Facts:
    """Give the facts of an event and a hand."""
    verb, thing = divmod(int(event), OBJECTS)
    return Facts(VERBS[verb], *LOOKS[thing], HANDS[hand] if hand >= 0 else None)


def named(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Find every object that texts of any form name ("C looks at the red cup"): row numbers and objects, shape [M]."""
    number, distinct = pd.factorize(texts)
    found = [[_OBJECT[look] for look in _NAMED.findall(text)] for text in distinct]
    many = np.array([*map(len, found), 0])
    first = np.cumsum(many) - many
    rows, item = expand(first[number], first[number] + many[number])
    return rows, np.array([thing for things in found for thing in things], dtype=np.int64)[item]


def expand(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give (row, item) for each item of the ranges [low, high) of all rows, shape [M] each.

    >>> [pair.tolist() for pair in expand(np.array([3, 0, 7]), np.array([5, 0, 8]))]
    [[0, 0, 2], [3, 4, 7]]
    """
    many = np.maximum(high - low, 0)
    rows = np.repeat(np.arange(len(many)), many)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(many) - many - low, many)


@cache
def near() -> np.ndarray:
    """Give the objects that differ from each object in colour or in kind, shape [objects, 12]."""
    return np.array([[_OBJECT[other] for other in alike(*look)] for look in LOOKS])


@cache
def asked(form: str) -> np.ndarray:
    """Give the question of a form about each event, shape [events], text."""
    question = FORMS[form].question
    return np.array([question.format(facts=facts_of(event)) for event in range(len(VERBS) * OBJECTS)], dtype=object)
