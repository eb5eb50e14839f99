"""Writes the corpora as they lie on disk, and gathers what an adapter makes of them."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from components import records
from components.data.sources.shared.rejecting import PLACES, Tables

# what stands in one cell of one line and needs no cleaning
texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=30)

RELEASED = Path(__file__).parents[5] / "shared/data"  # released annotation files, where they lie beside the project

# a file a time: few examples, and no deadline for a disk that is busy
round_trip = settings(deadline=None, max_examples=20)
HOSTILE_PLACES = ("../a", "/etc/a", "a/../../b", "C:/a", "..\\a", "~/a")


def delimited(path: Path, rows: Iterable[dict], *, delimiter: str = ",", header: bool = True) -> Path:
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
    return path


def as_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def as_json_lines(path: Path, rows: Iterable[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def lines(path: Path, rows: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def gathered_tables(batches: Iterable[Tables]) -> tuple[dict[str, list[dict]], list[dict]]:
    """Give the rows by table, and the rejects; the columns are those of the records."""
    rows, rejects = defaultdict(list), []
    for tables, refused in batches:
        assert list(refused) == records.REJECT.names
        rejects += refused.to_dict("records")
        for name, frame in tables.items():
            names = records.SCHEMAS[name].names
            assert [column for column in frame if column not in PLACES] == names
            rows[name] += frame[names].to_dict("records")
    return rows, rejects


def gathered(batches: Iterable[Tables]) -> tuple[list[dict], list[dict]]:
    """Give the rows of the one table that an adapter fills, and the rejects."""
    tables, rejects = gathered_tables(batches)
    assert len(tables) <= 1
    return next(iter(tables.values()), []), rejects


def reasons(batches: Iterable[Tables]) -> list[str]:
    """Give the reasons of the rejects."""
    return [row["reason"] for row in gathered(batches)[1]]


def refuses_missing(read, root: Path, match: str) -> None:
    """Reading raises, says what came or what is missing, and where to mend it."""
    with pytest.raises(ValueError, match=match) as error:
        list(read(root))
    assert "params/data.yaml" in str(error.value)
