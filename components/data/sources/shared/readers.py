"""What the adapters of large corpora share: files are read in batches, and lines that cannot be read are rejected.

A record of a delimited or JSON Lines file is one line; in a CSV file with quotes, a quoted cell may hold line breaks. A
record that cannot be read alone is a reject (`malformed_line`, `not_utf8`) and never takes its neighbours with it. No
function holds more than a batch.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json

from components.data.sources.shared.csv_records import Record, csv_records, line_records
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.rejecting import Batch, reject_rows

BATCH_ROWS = 50_000
_OBJECTS = 1_000  # of JSON that are held at once
_HEADER = 1 << 16  # bytes; a longer first line is no header
_SHOWN = 500  # characters of a header


def find_files(root: Path, pattern: str, *, source: str) -> list[Path]:
    """Return the files of a source, sorted.

    Args:
        root: folder of the source.
        pattern: of paths below `root`, as `Path.glob` takes it.
        source: name of the dataset, for the error.

    Raises:
        ValueError: there is none.
    """
    files = sorted(path for path in root.glob(pattern) if path.is_file())
    if not files:
        raise ValueError(
            f"{root / pattern} is missing; download {source}'s annotations there, or mend sources.{source} in "
            "params/data.yaml"
        )
    return files


def _check_columns(path: Path, came: Sequence[str], needed: Sequence[str], source: str) -> None:
    missing = [name for name in needed if list(came).count(name) != 1]
    if missing:
        raise ValueError(
            f"{path}: columns are {str(list(came))[:_SHOWN]}, missing (or there twice) are {missing}; get the released "
            f"file again or mend sources.{source} in params/data.yaml"
        )


def header_of(path: Path, *, delimiter: str = ",") -> list[str]:
    """Return the names of the columns of a delimited text file, by its first line."""
    with path.open("rb") as file:
        return _header(file, delimiter)


def _header(file: BinaryIO, delimiter: str) -> list[str]:
    _skip_byte_order_mark(file)
    # a lone carriage return, of a file that is no text, would be a csv.Error; so its columns are missing
    line = file.readline(_HEADER).decode(errors="replace").rstrip("\r\n").replace("\r", " ")
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _skip_byte_order_mark(file: BinaryIO) -> None:
    if file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)


def read_delimited(
    path: Path,
    columns: Sequence[str],
    *,
    source: str,
    delimiter: str = ",",
    quoted: bool = True,
    header: Sequence[str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Batch]:
    """Read columns of a delimited text file (UTF-8, with or without byte order mark) as strings.

    Args:
        path: the file.
        columns: names of the columns to read.
        source: name of the dataset, for rejects and errors.
        delimiter: the character between two cells.
        quoted: cells may be quoted as in CSV, and then hold line breaks; without it quotes are text, but a cell wrapped
            in them is unwrapped.
        header: names of the columns of a file that has no header line.
        batch_rows: records that are read at once.

    Yields:
        `columns` and `line` (number of its first line in the file, from 1) of the records that can be read, and the
        rejects.

    Raises:
        ValueError: a column is missing.
    """
    with path.open("rb") as file:
        first = 1
        if header is None:
            header, first = _header(file, delimiter), 2
        else:
            _skip_byte_order_mark(file)
        _check_columns(path, header, columns, source)
        cells = pa_csv.ParseOptions(delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted)
        kinds = pa_csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))

        def parse(block: bytes) -> pa.Table:
            whole = pa_csv.ReadOptions(block_size=len(block) + 1, column_names=header, use_threads=False)
            return pa_csv.read_csv(pa.BufferReader(block), whole, cells, kinds)

        if quoted:
            found = csv_records(file, first=first, delimiter=delimiter, width=len(header))
        else:
            found = line_records(file, first=first)
        for frame, rejects in _parsed_batches(found, parse, columns, path=path, source=source, batch_rows=batch_rows):
            yield (frame if quoted else frame.assign(**{name: _unwrapped(frame[name]) for name in columns})), rejects


def _unwrapped(cells: pd.Series) -> pd.Series:
    """Take off the quotes round a cell and halve those inside, where they are doubled."""
    inside = cells.str.slice(1, -1)
    wrapped = cells.str.startswith('"') & cells.str.endswith('"') & (cells.str.len() > 1)
    wrapped &= ~inside.str.replace('""', "", regex=False).str.contains('"', regex=False)
    return cells.where(~wrapped, inside.str.replace('""', '"', regex=False))


def read_json_lines(path: Path, columns: Sequence[str], *, source: str) -> Iterator[Batch]:
    """Read string members of the objects of a JSON Lines file; an absent member is null.

    Args:
        path: the file.
        columns: names of the members to read.
        source: name of the dataset, for rejects and errors.

    Yields:
        `columns` and `line` of the lines that can be read, and the rejects.

    Raises:
        ValueError: every object of the first batch lacks a member.
    """
    schema = pa.schema([(name, pa.string()) for name in columns])
    options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")

    def parse(block: bytes) -> pa.Table:
        whole = pa_json.ReadOptions(block_size=len(block) + 1, use_threads=False)
        return pa_json.read_json(pa.BufferReader(block), whole, options)

    with path.open("rb") as file:
        _skip_byte_order_mark(file)
        checked = False
        found = line_records(file, first=1)
        for frame, rejects in _parsed_batches(found, parse, columns, path=path, source=source, batch_rows=BATCH_ROWS):
            if len(frame) and not checked:
                _check_columns(path, [name for name in columns if frame[name].notna().any()], columns, source)
                checked = True
            yield frame, rejects


def _parsed_batches(
    found: Iterator[Record],
    parse: Callable[[bytes], pa.Table],
    columns: Sequence[str],
    *,
    path: Path,
    source: str,
    batch_rows: int,
) -> Iterator[Batch]:
    """Parse the records in batches."""
    schema = pa.schema([(column, pa.string()) for column in columns])
    while batch := list(islice(found, batch_rows)):
        lines, contents, are_closed = map(list, zip(*batch, strict=True))
        open_ones = {at for at, is_closed in enumerate(are_closed) if not is_closed}
        closed = [at for at in range(len(batch)) if at not in open_ones]
        tables, bad = _parsed([contents[at] for at in closed] if open_ones else contents, parse)
        refused = {closed[at] for at in bad} | open_ones
        frame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
        frame["line"] = [line for at, line in enumerate(lines) if at not in refused] if refused else lines
        lost = [batch[at] for at in sorted(refused)]
        yield (
            frame,
            reject_rows(
                source,
                [f"{path.name}:{record.line}" for record in lost],
                [_why(record.content) for record in lost],
                [record.content.decode(errors="replace") for record in lost],
            ),
        )


def _parsed(rows: list[bytes], parse: Callable[[bytes], pa.Table], offset: int = 0) -> tuple[list[pa.Table], list]:
    """Parse records at once; where others come out, halve until the records to blame stand alone.

    Returns:
        tables of the good records, in order, and the positions of the bad ones.
    """
    if not rows:
        return [], []
    try:
        table = parse(b"\n".join(rows))
    except pa.ArrowInvalid:
        table = None
    if table is not None and table.num_rows == len(rows):
        return [table], []
    if len(rows) == 1:
        return [], [offset]
    half = len(rows) // 2
    tables, bad = _parsed(rows[:half], parse, offset)
    more_tables, more_bad = _parsed(rows[half:], parse, offset + half)
    return tables + more_tables, bad + more_bad


def _why(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "malformed_line"


def read_json_records(
    path: Path, columns: Sequence[str], *, source: str, optional: Sequence[str] = (), batch_rows: int = BATCH_ROWS
) -> Iterator[Batch]:
    """Read members of the objects in a JSON array, or in a JSON object whose keys become the column `key`.

    Args:
        path: the file.
        columns: names of the members to read, which some object of the first batch must have.
        source: name of the dataset, for rejects and errors.
        optional: names of members that may be absent everywhere.
        batch_rows: objects that are read at once.

    Yields:
        `columns`, `optional` (both of dtype object: any JSON type may come, None where absent) and `key` (the position
        in an array), and the rejects: elements that are no objects.

    Raises:
        ValueError: the file is broken, or every object of the first batch lacks a member of `columns`.
    """
    items, names = json_items(path, source=source), [*columns, *optional]
    came: dict[str, None] = {}  # names of the members of the objects, until all of `columns` are among them
    is_checked = False
    while True:
        cells: dict[str, list] = {name: [] for name in [*names, "key"]}
        others: list[tuple] = []
        for part in _parts(items, batch_rows):
            keys, values = zip(*part, strict=True)
            if not set(map(type, values)) <= {dict}:
                others += [(key, value) for key, value in part if not isinstance(value, dict)]
                kept = [pair for pair in part if isinstance(pair[1], dict)]
                keys, values = zip(*kept, strict=True) if kept else ((), ())
            if values and not set(columns) <= came.keys():
                came |= dict.fromkeys(values[0] if set(columns) <= values[0].keys() else chain.from_iterable(values))
            for name in names:
                cells[name] += _members(values, name)
            cells["key"] += map(str, keys)
        if not cells["key"] and not others:
            return
        if cells["key"] and not is_checked:
            _check_columns(path, list(came), columns, source)
            is_checked = True
        yield (
            pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in cells.items()}, copy=False),
            reject_rows(
                source, [str(key) for key, _ in others], ["not_an_object"] * len(others), [value for _, value in others]
            ),
        )


def _parts(items: Iterator[tuple], rows: int) -> Iterator[list[tuple]]:
    """Yield so many items some at a time, that the memory of objects which were looked at is used for the next."""
    while rows and (part := list(islice(items, min(_OBJECTS, rows)))):
        rows -= len(part)
        yield part


def _members(objects: Sequence[dict], name: str) -> list:
    """Return the member of each object, None where it is absent."""
    try:
        return list(map(itemgetter(name), objects))  # nearly always there, and a third of the time
    except KeyError:
        return [each.get(name) for each in objects]
