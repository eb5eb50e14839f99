"""How much data there was, and what was dropped and why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from components.records import REJECT, read_table

_FILES = ("clips/stats.json", "dataset/counts.json")


def read_counts(data: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Read the counts that data steps wrote beside their tables, as (file, [(dotted key, value), ...])."""
    files = [name for name in _FILES if (data / name).exists()]
    return [(name, list(_rows(json.loads((data / name).read_text())))) for name in files]


def read_rejects(data: Path) -> list[tuple[str, str, int]]:
    """Count the rows of every rejects table as (step, reason, number), the largest of each step first."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(data.glob("*/rejects.parquet")):
        table = read_table(path, REJECT)
        found.update(zip(table["step"].to_pylist(), table["reason"].to_pylist(), strict=True))
    return sorted(((step, reason, n) for (step, reason), n in found.items()), key=lambda row: (row[0], -row[2], row[1]))


def _rows(value: object, key: str = ""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _rows(inner, f"{key} · {name}" if key else str(name))
    elif isinstance(value, list):
        yield key, ", ".join(_text(item) for item in value)
    else:
        yield key, _text(value)


def _text(value: object) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else (f"{value:.4g}" if isinstance(value, float) else str(value))
    )
