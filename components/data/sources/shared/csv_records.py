"""Where the records of a CSV file begin and end (RFC 4180): a line break inside a quoted cell is part of the cell.

A record of several lines is one only if its quotes close where they may. Otherwise its first line is a record that
cannot be read, and the next line is looked at by itself: a stray quote costs one line, and not the rest of the file.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, repeat
from typing import NamedTuple

_MOST_LINES = 1000  # of one record; a cell that goes on was opened by a stray quote
_INNER_LINES = 2  # that are whole records themselves; a text may have one such line by chance


class Record(NamedTuple):
    """What stands between the ends of two records."""

    line: int  # number of its first line in the file, from 1
    content: bytes  # without the line break at its end; b"\n" is every line break inside
    is_closed: bool  # False: a quote is opened and not closed as it should be


def line_records(lines: Iterable[bytes], *, first: int) -> Iterator[Record]:
    """Number the lines of a file in which each is a record; blank ones are none.

    Args:
        lines: with their line breaks.
        first: number of the first of them.

    Yields:
        the records, in order.
    """
    for number, line in enumerate(_without_line_breaks(lines), first):
        if line:
            yield Record(number, line, True)


def csv_records(lines: Iterable[bytes], *, first: int, delimiter: str, width: int) -> Iterator[Record]:
    """Join the lines of a CSV file to records; blank lines between records are none.

    Args:
        lines: with their line breaks.
        first: number of the first of them.
        delimiter: the character between two cells.
        width: cells of the header.

    Yields:
        the records, in order, whatever their number of cells.
    """
    source = _without_line_breaks(lines)
    ahead: deque[bytes] = deque()  # lines that were looked at
    number = first
    is_plain = _plain_lines(delimiter).fullmatch

    def following() -> Iterator[bytes]:
        yield from list(ahead)
        while len(ahead) < _MOST_LINES - 1 and (line := next(source, None)) is not None:
            ahead.append(line)
            yield line

    while (line := ahead.popleft() if ahead else next(source, None)) is not None:
        if b'"' not in line or is_plain(line) or not _goes_on(line, delimiter):
            if line:
                yield Record(number, line, True)
            number += 1
            continue
        used = _lines_of_record(chain([line], following()), delimiter, width)
        yield Record(number, b"\n".join([line, *(ahead.popleft() for _ in range(used - 1))]), used > 0)
        number += max(used, 1)


def _without_line_breaks(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in map(bytes.rstrip, lines, repeat(b"\r\n")):
        # a lone carriage return would end a record for the parsers, but not for us
        yield line.replace(b"\r", b" ") if b"\r" in line else line


@cache
def _plain_lines(delimiter: str) -> re.Pattern[bytes]:
    """Return the pattern of a line whose quotes stand as RFC 4180 has them: nearly all, and a third of the time."""
    mark = re.escape(delimiter.encode())
    cell = rb'(?:"(?:[^"]++|"")*+"|[^"%b]*+)' % mark
    return re.compile(rb"%b(?:%b%b)*+" % (cell, mark, cell))


def _goes_on(line: bytes, delimiter: str) -> bool:
    """Return whether a quote is open at the end of the line, quotes inside of unquoted cells being text."""
    reader = csv.reader([line.decode("latin-1") + "\n", "\n"], delimiter=delimiter)
    return len(_next_cells(reader)) > 0 and reader.line_num > 1


def _lines_of_record(lines: Iterable[bytes], delimiter: str, width: int) -> int:
    """Return how many lines the record takes that begins with the first of them, 0 where its quotes do not close."""
    held: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            held.append(line.decode("latin-1") + "\n")
            yield held[-1]

    if not _next_cells(csv.reader(kept(), delimiter=delimiter, strict=True)):
        return 0
    inner = held[1:-1]
    # the quotes of two damaged records can meet: the records between them are no lines of a text
    if len(inner) >= _INNER_LINES and all(_is_whole(line, delimiter, width) for line in inner):
        return 0
    return len(held)


def _is_whole(line: str, delimiter: str, width: int) -> bool:
    return len(_next_cells(csv.reader([line], delimiter=delimiter, strict=True))) == width


def _next_cells(reader: Iterator[list[str]]) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error:  # quotes that close where they may not, or never; a cell above csv.field_size_limit()
        return []
