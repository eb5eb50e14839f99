"""Counts of the data steps, and of the rows that they rejected, by reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.records import REJECT, read_table

_FILES = ("clips/stats.json", "dataset/counts.json")
_REJECTS = "rejects"  # counted from the rejects tables themselves, of all steps at once


@dataclass(frozen=True)
class CountTable:
    """A table to print; cells are (text, whether it is a number)."""

    title: str
    header: list[str]
    rows: list[list[tuple[str, bool]]]


def read_counts(data: Path) -> list[CountTable]:
    """Read the counts that the data steps wrote beside their tables.

    Args:
        data: the data folder; a file that is missing is left out.

    Returns:
        For each file a table of its values by dotted key, and one table for each list of records in it.
    """
    tables: list[CountTable] = []
    for name in _FILES:
        if not (data / name).exists():
            continue
        values = {key: value for key, value in json.loads((data / name).read_text()).items() if key != _REJECTS}
        plain = [[(key, False), _cell(value)] for key, value in _leaves(values)]
        lists = {key: value for key, value in values.items() if isinstance(value, list) and value}
        if plain:
            tables.append(CountTable(name, [], plain))
        tables += [
            CountTable(f"{name} · {key}", list(value[0]), [[_cell(cell) for cell in row.values()] for row in value])
            for key, value in lists.items()
        ]
    return tables


def read_rejects(data: Path) -> list[tuple[str, str, int]]:
    """Count the rows of every rejects table as (step, reason, number), the largest of each step first."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(data.glob("*/rejects.parquet")):
        table = read_table(path, REJECT)
        found.update(zip(table["step"].to_pylist(), table["reason"].to_pylist(), strict=True))
    return sorted(((step, reason, n) for (step, reason), n in found.items()), key=lambda row: (row[0], -row[2], row[1]))


def _leaves(values: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name} · ")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value


def _cell(value: object) -> tuple[str, bool]:
    if isinstance(value, float):
        return f"{value:.4g}", True
    return (f"{value:,}", True) if isinstance(value, int) else (str(value), False)
