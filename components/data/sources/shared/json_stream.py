"""Reading a JSON file element by element: no more of it is in memory than a few megabytes and one element.

Values are decoded by json_values.py; only the steps from one element to the next are written here. Objects of an
array that hold no other object are decoded many at once, which takes less than half the time. ijson 3.6
(yajl2_c) was measured against it (CPU seconds of 100,000 such objects, 34 MB): 0.44 s without a check for repeated
keys, here 0.36 s with it. ijson also turns a lone surrogate into "?", refuses a whole file for one number
beyond 64 bits, `1e400` or `NaN`, where only that row is rejected here, and needs memory that grows with the square of
the depth of a broken file.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from components.data.sources.shared.json_fields import KINDS, Kind, MemberError
from components.data.sources.shared.json_values import decode_array, decode_at, repeated

_CHUNK = 1 << 22  # characters read at once
_AT_ONCE = 1 << 20  # characters of an array that are decoded at once: memory is used again, which is faster than more
_LONGEST = 1 << 28  # characters; a longer element means that the JSON is broken somewhere before
_NO_SPACE = re.compile(r"[^ \t\n\r]")
_ENDS = ",:]}"  # what may follow a value
_MARKS_AFTER = frozenset(_ENDS)  # the empty text at the end of what is held is none of them
_CLOSE = {"[": "]", "{": "}"}
_OPEN: dict[type, str] = {list: "[", dict: "{"}


def json_items(
    path: Path, *, source: str, kind: Kind = (list, dict), name: str | None = None
) -> Iterator[tuple[str | int, Any]]:
    """Read the elements of a JSON array (with their positions) or object (with their keys), one at a time.

    The file is UTF-8, with or without byte order mark. Elements before a broken place are yielded before the error is
    raised. A key that is twice in the object itself is yielded twice; within an element it would hide a value, and is
    an error.

    Args:
        path: the file.
        source: name of the dataset, for errors.
        kind: list, dict, or both: what the file may hold.
        name: read the member of this name of the object in the file, in place of the whole file.

    Yields:
        position in the array, or key in the object; and the decoded element.

    Raises:
        ValueError: the file cannot be read, is broken (says where), or holds no such value.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            reader = _Reader(file)
            yield from _elements(reader, kind) if name is None else _elements_of_member(reader, name, kind)
            if reader.peek():
                raise ValueError(
                    f"it is broken: something follows at char {reader.position}; a file with a record on each line "
                    "ends in .jsonl"
                )
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: {error}; get the released file again or mend sources.{source} in params/data.yaml"
        ) from error


def _elements(reader: _Reader, kind: Kind) -> Iterator[tuple[str | int, Any]]:
    if reader.peek() not in _opening(kind):
        raise ValueError(f"{reprlib.repr(reader.value())} came, allowed is {KINDS[kind]}")
    if reader.peek() == "[":
        yield from enumerate(chain.from_iterable(_array(reader)))
        return
    for key in _keys(reader):
        yield key, reader.value(f"element {key!r}")


def _array(reader: _Reader) -> Iterator[list]:
    position = 0
    for _ in _keys(reader):
        values = reader.values(f"element {position}")
        position += len(values)
        yield values


def _elements_of_member(reader: _Reader, name: str, kind: Kind) -> Iterator[tuple[str | int, Any]]:
    if reader.peek() != "{":
        raise MemberError(f"{reprlib.repr(reader.value())} came, allowed is an object with {name!r}")
    is_there = False
    for key in _keys(reader):
        if key != name:
            reader.value()
            continue
        if is_there:
            raise ValueError(repeated(name))
        is_there = True
        if reader.peek() not in _opening(kind):
            raise MemberError(f"{name!r} is {reprlib.repr(reader.value())}, allowed is {KINDS[kind]}")
        yield from _elements(reader, kind)
    if not is_there:
        raise MemberError(f"{name!r} is missing, allowed is {KINDS[kind]}")


def _opening(kind: Kind) -> list[str]:
    """Return the characters that values of a kind begin with."""
    return [_OPEN[one] for one in (kind if isinstance(kind, tuple) else (kind,))]


def _keys(reader: _Reader) -> Iterator[str | int]:
    """Yield the positions of the array, or the keys of the object, that comes next.

    The reader stands before the value of each; the caller reads that value before it asks for the next key.
    """
    close, position = _CLOSE[reader.step()], 0
    if reader.peek() == close:
        reader.step()
        return
    while True:
        key = position
        if close == "}":
            key = reader.value()
            if not isinstance(key, str) or reader.peek() != ":":
                raise ValueError(f"it is broken or cut off (a key and a colon should end at char {reader.position})")
            reader.step()
        yield key
        position += 1
        if reader.peek() not in (",", close):
            raise ValueError(f"it is broken or cut off (',' or {close!r} should stand at char {reader.position})")
        if reader.step() == close:
            return


class _Reader:
    """Reads a text file forward and holds a part of it; the next character is number `_at` of that part."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._held, self._at, self._dropped = "", 0, 0
        self._is_last = False  # nothing follows what is held
        self._is_flat = True  # elements of arrays may be decoded many at once

    @property
    def position(self) -> int:
        """The number of characters before the next one."""
        return self._dropped + self._at

    def peek(self) -> str:
        """Skip spaces and return the next character without passing it; "" at the end of the file."""
        mark = self._held[self._at : self._at + 1]
        if mark > " ":  # the usual case, and four times as fast as a search
            return mark
        while True:
            found = _NO_SPACE.search(self._held, self._at)
            if found:
                self._at = found.start()
                return found[0]
            self._at = len(self._held)
            if not self._read_on():
                return ""

    def step(self) -> str:
        """Skip spaces, pass the next character and return it; "" at the end of the file."""
        mark = self.peek()
        self._at += len(mark)
        return mark

    def value(self, what: str = "it") -> Any:
        """Decode the JSON value that comes next and pass it.

        A value counts only together with the character that ends it: alone, `12` or `1.` may be the start of `1.25`.

        Args:
            what: name of the value in errors.

        Raises:
            ValueError: it is broken, or longer than _LONGEST.
        """
        while True:
            self.peek()
            try:
                value, end = decode_at(self._held, self._at)
                if self._held[end : end + 1] not in _MARKS_AFTER:
                    following = _NO_SPACE.search(self._held, end)
                    if not (following[0] in _ENDS if following else self._is_last):
                        raise json.JSONDecodeError("the value goes on", self._held, end)
            except json.JSONDecodeError as error:
                at = self._dropped + error.pos
                if len(self._held) - self._at > _LONGEST or not self._read_on():
                    raise ValueError(f"{what} is broken or cut off ({error.msg}, char {at})") from error
            else:
                self._at = end
                return value

    def values(self, what: str) -> list:
        """Decode the value of an array that comes next, and others that are held after it where it can be done at once.

        Args:
            what: name of the first value in errors.

        Raises:
            ValueError: it is broken, or longer than _LONGEST.
        """
        end = self._held.rfind("},", self._at, self._at + _AT_ONCE) + 1 if self._is_flat else 0
        if end:
            try:
                values = decode_array(f"[{self._held[self._at : end]}]")
            except (
                ValueError,
                RecursionError,
            ):  # "}," stands in an element or behind the array, or it is broken
                self._is_flat = False
            else:
                self._at = end
                return values
        return [self.value(what)]

    def _read_on(self) -> bool:
        """Drop what was passed and read as much again as is held; return False at the end of the file."""
        rest = self._held[self._at :]
        wanted = max(_CHUNK, len(rest))
        came = self._file.read(wanted)
        self._is_last = len(came) < wanted
        self._dropped += self._at
        self._held, self._at = rest + came, 0
        return came != ""
