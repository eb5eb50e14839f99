"""What the adapters of takes share: JSON files read whole, and their members asked for by kind.

A file that cannot be read is an error. A member that is missing or of another kind raises MemberError, which makes a
reject `bad_member` of the row it belongs to, and of no other.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from pathlib import Path
from typing import Any

Kind = type | tuple[type, ...]
KINDS: dict[Kind, str] = {
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    (str, int): "a text or a whole number",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_DETAIL = 500  # characters


class MemberError(ValueError):
    """A member of a JSON object is missing or of another kind; the message says what came and what is allowed."""


def json_file(path: Path, *, source: str, kind: Kind, name: str | None = None) -> Any:
    """Read a JSON file (UTF-8, with or without byte order mark), or the member `name` of the object in it.

    Raises:
        ValueError: the file cannot be read, is broken, has a key twice in an object, or holds no such value.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
        if name is not None:
            return member(content, name, kind)
        if not isinstance(content, kind):
            raise ValueError(f"{reprlib.repr(content)} came, allowed is {KINDS[kind]}")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: {error}; get the released file again or mend sources.{source} in params/data.yaml"
        ) from error
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict:
    made = dict(pairs)
    if len(made) < len(pairs):  # the first of the two would be lost
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return made


def member(of: object, name: str, kind: Kind) -> Any:
    """Give a member of a JSON object; texts come clean, as those of judging.py.

    Raises:
        MemberError: `of` is no object, or the member is missing or no `kind`.

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
    return _CONTROL.sub(" ", text.encode(errors="ignore").decode()).strip()


def rows_of(content: object, name: str, row_id: str) -> list[str]:
    """Name the rows that an object should hold in its list `name` and that are lost with it; one where there is none.

    >>> rows_of({"said": [3, 4]}, "said", "take"), rows_of(None, "said", "take")
    (['take/0', 'take/1'], ['take'])
    """
    rows = content.get(name) if isinstance(content, dict) else None
    return [f"{row_id}/{at}" for at in range(len(rows))] if isinstance(rows, list) and rows else [row_id]


def finite(value: object) -> float | None:
    """Give a JSON number as a float; None for what is no number, not finite, or too large.

    >>> finite(3), finite(float("nan")), finite(True), finite(10**400)
    (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def reject(source: str, row_id: str, reason: str, detail: object = "") -> dict:
    """Give a row of `records.REJECT`."""
    # reprlib: what is nested nearly too deep to be read is too deep to be printed
    told = str(detail)[:_DETAIL] if isinstance(detail, (str, Exception)) else reprlib.repr(detail)
    shown = told.encode(errors="replace").decode()
    return {"step": f"annotations/{source}", "row_id": _clean(row_id), "reason": reason, "detail": shown}
