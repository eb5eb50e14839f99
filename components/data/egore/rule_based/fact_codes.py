"""Facts of the kitchen as numbers: the questions about millions of rows are looked up, not written one by one.

An object is colour * kinds + kind, an event is verb * objects + object; -1 stands for what is not known.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts, parse_narration, similar_looks

LOOKS = tuple(product(COLOURS, KINDS))
OBJECTS = len(LOOKS)
EVENTS = len(VERBS) * OBJECTS
_OBJECT = {look: number for number, look in enumerate(LOOKS)}
_NAMED = re.compile(rf"\b({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")
_CACHED_TEXTS = 1 << 16  # the same texts stand in several tables

Texts = pd.Series | pd.Index | np.ndarray


def places(texts: Texts, among: Texts) -> np.ndarray:
    """Return where each text first stands among others, shape [N]; -1 where it does not."""
    found = pc.index_in(pa.array(texts, pa.large_string()), pa.array(among, pa.large_string()))
    return found.fill_null(-1).to_numpy()


def events(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Read the event and the hand that each text narrates.

    Returns:
        Two arrays of shape [N]; the event is -1 where the text does not parse, the hand where the text names none.
    """
    number, distinct = pd.factorize(texts)
    # a missing text has number -1, which reads the last
    event, hand = map(np.array, zip(*map(_event, np.asarray(distinct)), (-1, -1), strict=True))
    return event[number], hand[number]


@lru_cache(_CACHED_TEXTS)
def _event(text: str) -> tuple[int, int]:
    facts = parse_narration(text)
    if facts is None:
        return -1, -1
    hand = HANDS.index(facts.hand) if facts.hand else -1
    return VERBS.index(facts.verb) * OBJECTS + _OBJECT[facts.colour, facts.type], hand


@cache
def facts_of(event: int, hand: int = -1) -> Facts:
    """Return the facts of an event and a hand."""
    verb, look = divmod(int(event), OBJECTS)
    return Facts(VERBS[verb], *LOOKS[look], HANDS[hand] if hand >= 0 else None)


def named(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Find every object that texts of any form name ("C looks at the red cup"): row numbers and objects, shape [M]."""
    number, distinct = pd.factorize(texts)
    found = [*map(_objects, np.asarray(distinct))]  # an index of texts is slow to go through
    lengths = np.array([*map(len, found), 0])
    first = np.cumsum(lengths) - lengths
    rows, item = expand(first[number], first[number] + lengths[number])
    return rows, np.array([each for objects in found for each in objects], dtype=np.int64)[item]


@lru_cache(_CACHED_TEXTS)
def _objects(text: str) -> tuple[int, ...]:
    return tuple(_OBJECT[look] for look in _NAMED.findall(text))


def expand(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (row, item) for each item of the ranges [low, high) of all rows, shape [M] each.

    >>> [pair.tolist() for pair in expand(np.array([3, 0, 7]), np.array([5, 0, 8]))]
    [[0, 0, 2], [3, 4, 7]]
    """
    lengths = np.maximum(high - low, 0)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths - low, lengths)


@cache
def similar_objects() -> np.ndarray:
    """Return the objects that differ from each object in colour or in kind, shape [objects, 12]."""
    return np.array([[_OBJECT[other] for other in similar_looks(*look)] for look in LOOKS])
