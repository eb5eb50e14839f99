"""A JSON file given element by element: no more of it is held than a few megabytes and one element."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from components.data.sources.shared.json_fields import KINDS, Kind, MemberError

_CHUNK = 1 << 22  # characters read at once
_LONGEST = 1 << 28  # characters; a longer element means that the JSON is broken somewhere before
_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = ",:]}"
_CLOSE = {"[": "]", "{": "}"}
_OPEN = {list: "[", dict: "{"}


def json_items(
    path: Path, *, source: str, kind: Kind = (list, dict), name: str | None = None
) -> Iterator[tuple[str | int, Any]]:
    """Return the elements of a JSON array (with their positions) or object (with their keys), one at a time.

    The file is UTF-8, with or without byte order mark. A file that is broken may give elements before it raises. A key
    that stands twice in the object comes twice; in an element it would hide a value, and is an error.

    Args:
        kind: list, dict, or both: what the file holds.
        name: the array or object is this member of the object in the file.

    Raises:
        ValueError: the file cannot be read, is broken (says where), or holds no such value.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = _Text(file)
            yield from _elements(text, kind) if name is None else _elements_of_member(text, name, kind)
            if text.next():
                raise ValueError(f"it is broken: something follows at char {text.position}")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: {error}; get the released file again or mend sources.{source} in params/data.yaml"
        ) from error


def _elements(text: _Text, kind: Kind) -> Iterator[tuple[str | int, Any]]:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if text.next() not in [_OPEN[one] for one in kinds]:
        raise ValueError(f"{reprlib.repr(text.value())} came, allowed is {KINDS[kind]}")
    for place in _places(text):
        yield place, text.value(f"element {place!r}")


def _elements_of_member(text: _Text, name: str, kind: Kind) -> Iterator[tuple[str | int, Any]]:
    if text.next() != "{":
        raise MemberError(f"{reprlib.repr(text.value())} came, allowed is an object with {name!r}")
    is_there = False
    for place in _places(text):
        if place != name:
            text.value()
            continue
        if is_there:
            raise ValueError(_twice(name))
        is_there = True
        if text.next() != _OPEN[kind]:
            raise MemberError(f"{name!r} is {reprlib.repr(text.value())}, allowed is {KINDS[kind]}")
        yield from _elements(text, kind)
    if not is_there:
        raise MemberError(f"{name!r} is missing, allowed is {KINDS[kind]}")


def _places(text: _Text) -> Iterator[str | int]:
    """Return the positions or keys of the array or object that comes next, each with the text before its value.

    Who asks for the next one has read the value.
    """
    close, number = _CLOSE[text.step()], 0
    if text.next() == close:
        text.step()
        return
    while True:
        place = number
        if close == "}":
            place = text.value()
            if not isinstance(place, str) or text.next() != ":":
                raise ValueError(f"it is broken or cut off (a key and a colon should end at char {text.position})")
            text.step()
        yield place
        number += 1
        if text.next() not in (",", close):
            raise ValueError(f"it is broken or cut off (',' or {close!r} should stand at char {text.position})")
        if text.step() == close:
            return


class _Text:
    """A text file read forward: what comes next is the character at `at` of the part that is held."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._held, self._at, self._before = "", 0, 0
        self._is_last = False  # nothing follows what is held

    @property
    def position(self) -> int:
        """The number of characters before the next one."""
        return self._before + self._at

    def next(self) -> str:
        """Return the next character that is no space, and stay before it; "" at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._read_on():
                return ""

    def step(self) -> str:
        """Return the next character that is no space, and go behind it; "" at the end."""
        mark = self.next()
        self._at += len(mark)
        return mark

    def value(self, what: str = "it") -> Any:
        """Decode the JSON value that comes next, `what` in errors, and go behind it.

        It counts only with what ends it: without, `12` and `1.` may be the beginning of `1.25`.

        Raises:
            ValueError: it is broken, or longer than _LONGEST.
        """
        while True:
            self.next()
            try:
                value, end = _decode(self._held, self._at)
                end = _SPACE.match(self._held, end).end()
                mark = self._held[end : end + 1]
                if not (mark in _ENDS if mark else self._is_last):
                    raise json.JSONDecodeError("the value goes on", self._held, end)
            except json.JSONDecodeError as error:
                at = self._before + error.pos
                if len(self._held) - self._at > _LONGEST or not self._read_on():
                    raise ValueError(f"{what} is broken or cut off ({error.msg}, char {at})") from error
            else:
                self._at = end
                return value

    def _read_on(self) -> bool:
        """Drop what was passed and read as much again as is held; False at the end of the file."""
        rest = self._held[self._at :]
        wanted = max(_CHUNK, len(rest))
        came = self._file.read(wanted)
        self._is_last = len(came) < wanted
        self._before += self._at
        self._held, self._at = rest + came, 0
        return came != ""


def _object(pairs: list[tuple[str, Any]]) -> dict:
    made = dict(pairs)
    if len(made) < len(pairs):  # the first of the two would be lost
        keys = [key for key, _ in pairs]
        raise ValueError(_twice(next(key for key in keys if keys.count(key) > 1)))
    return made


def _twice(key: str) -> str:
    return f"key {key!r} stands twice in one object"


_decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode
