"""What the adapters of takes share: members of JSON objects checked by type, and rows gathered in batches.

A member that is missing or of another type raises MemberError; the adapter then rejects the row that it belongs to as
`bad_member`, and no other row.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow as pa

from components import records
from components.data.sources.shared.rejecting import Tables
from components.records.patterns import CONTROL_CHARACTERS

Kind = type | tuple[type, ...]
KINDS: dict[Kind, str] = {
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    (list, dict): "a list or an object",
    (str, int): "a text or a whole number",
}
_DETAIL = 500  # characters
BATCH_ROWS = 20_000  # as dicts, some 20 MB


class MemberError(ValueError):
    """A member of a JSON object is missing or of another type; the message says what came and what is allowed."""


def member(of: object, name: str, kind: Kind) -> Any:
    """Return a member of a JSON object; texts are cleaned as in cleaning.py.

    Args:
        of: a JSON value, which should be an object.
        name: of the member.
        kind: Python type or types that are allowed, a key of KINDS.

    Raises:
        MemberError: `of` is no object, or the member is missing or of another type.

    >>> member({"name": " a cup "}, "name", str)
    'a cup'
    """
    if not isinstance(of, dict):
        raise MemberError(f"{reprlib.repr(of)} came, allowed is an object with {name!r}")
    value = of.get(name)
    if not isinstance(value, kind):
        came = reprlib.repr(value) if name in of else "missing"
        raise MemberError(f"{name!r} is {came}, allowed is {KINDS[kind]}")
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    return re.sub(CONTROL_CHARACTERS, " ", text.encode(errors="ignore").decode()).strip()


def lost_row_ids(content: object, name: str, row_id: str) -> list[str]:
    """Name the rows that are lost with an object that cannot be read.

    Args:
        content: the object.
        name: of its member that should list the rows.
        row_id: of the object.

    Returns:
        An id for each element of the list; the id of the object where it has no such list.

    >>> lost_row_ids({"steps": [3, 4]}, "steps", "take"), lost_row_ids(None, "steps", "take")
    (['take/0', 'take/1'], ['take'])
    """
    rows = content.get(name) if isinstance(content, dict) else None
    return [f"{row_id}/{at}" for at in range(len(rows))] if isinstance(rows, list) and rows else [row_id]


def finite_number(value: object) -> float | None:
    """Return a JSON number as a float; None for what is no number, not finite, or too large.

    >>> finite_number(3), finite_number(float("nan")), finite_number(True), finite_number(10**400)
    (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def reject_row(source: str, row_id: str, reason: str, detail: object = "") -> dict:
    """Make a row of `records.REJECT`.

    Args:
        source: name of the dataset.
        row_id: which row was rejected.
        reason: why, in one word.
        detail: what shows it: a text or an error, or a value of which a short form is kept.
    """
    # reprlib: a value that is nested nearly too deep to be read is too deep to be printed whole
    text = str(detail)[:_DETAIL] if isinstance(detail, (str, Exception)) else reprlib.repr(detail)
    shown = text.encode(errors="replace").decode()
    return {"step": f"annotations/{source}", "row_id": _clean(row_id), "reason": reason, "detail": shown}


def in_batches(rows: Iterable[dict], table: str) -> Iterator[Tables]:
    """Gather rows of a table of `records.SCHEMAS`, and the rejects among them, BATCH_ROWS at a time, in order."""
    rows = iter(rows)
    while batch := list(islice(rows, BATCH_ROWS)):
        kept = [row for row in batch if "reason" not in row]
        refused = [row for row in batch if "reason" in row]
        yield (
            {table: pd.DataFrame(kept, columns=records.SCHEMAS[table].names)},
            pd.DataFrame(refused, columns=records.REJECT.names, dtype="str"),
        )


def row_lookup(videos: pa.Table, *names: str) -> Callable[..., dict | None]:
    """Return a function from values of the columns `names` to the first video that has them, or to None.

    It holds the table and the position of each video in it, not a dict for each video.

    >>> videos = pa.table({"take_id": ["a", "b"], "fps": [8.0, 30.0]})
    >>> row_lookup(videos, "take_id")("b")["fps"]
    30.0
    """
    places: dict[tuple, int] = {}
    for at, key in enumerate(zip(*(videos[name].to_pylist() for name in names), strict=True)):
        places.setdefault(key, at)

    @lru_cache(maxsize=1024)  # rows of one take follow one another
    def find(*key: str) -> dict | None:
        at = places.get(key)
        return None if at is None else videos.slice(at, 1).to_pylist()[0]

    return find
