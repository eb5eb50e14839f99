"""The one file that all benchmarks write: results/bench_data.json, a list of {name, ours, peer, ratio, unit}.

`ratio` is how many times better ours is than the peer, measured in the same run; a number without a peer has neither.
"""

from __future__ import annotations

import json
from pathlib import Path

PATH = Path(__file__).parents[2] / "results/bench_data.json"


def row(name: str, ours: float, peer: float | None = None, *, unit: str) -> dict:
    """Give one row for a quantity of which less is better.

    >>> row("x", 2.0, 10.0, unit="s")["ratio"]
    5.0
    """
    return {"name": name, "ours": ours, "peer": peer, "ratio": None if peer is None else peer / ours, "unit": unit}


def write(rows: list[dict], path: Path = PATH) -> None:
    """Put the rows into the file; a row of the same name is replaced, all others stay."""
    kept = json.loads(path.read_text()) if path.is_file() else []
    merged = {each["name"]: each for each in [*kept, *rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([merged[name] for name in sorted(merged)], indent=2) + "\n")


def show(rows: list[dict]) -> str:
    """Give the rows as a table for people."""
    cells = [("name", "ours", "peer", "ratio", "unit")]
    cells += [(each["name"], *(_short(each[key]) for key in ("ours", "peer", "ratio")), each["unit"]) for each in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(5)]
    lines = ([line[0].ljust(widths[0]), *(line[n].rjust(widths[n]) for n in (1, 2, 3)), line[4]] for line in cells)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
