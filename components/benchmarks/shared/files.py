"""Reading annotation files: JSON, JSON Lines under either name, and what a row must hold."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from components.benchmarks.shared.sample import Loaded, Reject, Sample

Kind = TypeVar("Kind", list, dict)
LONGEST_CELL = 10_000_000  # characters: EgoExoBench lists the frames of a question in one cell
OTHER_FORM = (KeyError, TypeError, IndexError, AttributeError)  # what reading a row of another form raises


class RowError(ValueError):
    """A row cannot become a sample.

    Args:
        reason: one of a few, by which rejects are counted.
        detail: what was wrong with this row.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def find(folder: Path, names: Iterable[str]) -> Path:
    """Return the first of some files that is in a folder.

    Raises:
        ValueError: none is.
    """
    tried = [folder / name for name in names]
    for path in tried:
        if path.is_file():
            return path
    raise ValueError(f"{folder} holds none of {[path.name for path in tried]}; docs/benchmarks.md says where to get it")


def read_json(path: Path, kind: type[Kind]) -> Kind:
    """Read a JSON file, or JSON Lines as a list: several benchmarks publish these as `.json`.

    Args:
        path: of the file.
        kind: list or dict, what the file must hold.

    Raises:
        ValueError: it is neither, or holds another kind; names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; allowed is a JSON file in UTF-8") from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = _read_lines(path, lines)
    if kind is list and isinstance(found, dict) and len(lines) == 1:
        found = [found]  # JSON Lines with one line
    if not isinstance(found, kind):
        raise ValueError(
            f"{path}: {type(found).__name__} came, allowed is {kind.__name__}; is it the file of its name?"
        )
    return found


def _read_lines(path: Path, lines: Iterable[tuple[int, str]]) -> list:
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: {error}; allowed are JSON and JSON Lines") from error
    return found


def read_csv(path: Path, columns: Sequence[str], *, delimiter: str = ",") -> list[dict[str, Any]]:
    """Read the rows of a delimited text file with a header, by its columns; a cell that a row lacks is None.

    Args:
        path: of the file.
        columns: that it must have.
        delimiter: the character between two cells.

    Raises:
        ValueError: it cannot be read as that, or a column is missing; names the file.
    """
    limit = csv.field_size_limit(LONGEST_CELL)  # one for the whole process, so it is put back
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, delimiter=delimiter)
            rows, found = list(table), list(table.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; allowed is a table in UTF-8 with {delimiter!r} between cells") from error
    finally:
        csv.field_size_limit(limit)
    if missing := [name for name in columns if name not in found]:
        raise ValueError(f"{path} has the columns {found[:20]}, but {missing} are needed; is it the file of its name?")
    return rows


def loaded(rows: Iterable[Any], sample_of: Callable[[Any], Sample], *, row_id: Callable[[Any, int], str]) -> Loaded:
    """Make a sample or a reject of every row.

    Args:
        rows: of an annotation file.
        sample_of: makes a sample of a row; raises `RowError`, or KeyError, TypeError, IndexError or ValueError where
            the row has another form than the documented one.
        row_id: names a row by its content and its place; where it cannot, the place names it.

    Returns:
        Samples and rejects; of two rows of one id the second is a reject.
    """
    samples: dict[str, Sample] = {}
    rejects = []
    for place, row in enumerate(rows):
        try:
            sample = sample_of(row)
            if sample.sample_id in samples:
                raise RowError("repeated_id")
        except RowError as error:
            rejects.append(Reject(_named(row, place, row_id), error.reason, error.detail))
        except (*OTHER_FORM, ValueError, SyntaxError) as error:  # literal_eval raises the last
            rejects.append(Reject(f"row {place}", "malformed_row", f"{type(error).__name__}: {error}"))
        else:
            samples[sample.sample_id] = sample
    return Loaded([*samples.values()], rejects)


def _named(row: Any, place: int, row_id: Callable[[Any, int], str]) -> str:
    try:
        return row_id(row, place)
    except OTHER_FORM:
        return f"row {place}"
