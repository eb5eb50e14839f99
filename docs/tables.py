"""Result tables: from the figures in results/*.json to Markdown.

A file of results holds `title`, `command`, `seeds`, `predictions`, `columns` and `rows`. A row has a `label`, the
commit that recorded it and one cell a column. A cell is null, a text, or a block with `score` and, where it has them,
`interval`, `blind` (the control by other frames) or `control` and `control_name` (the strongest control), `difference`,
`difference_interval` and `learned`; over seeds, `scores` of each, and `learned_in` how many. The files bench_*.json are
lists of measurements, written by `make bench-data` and `make bench-train`; stages.json is written by
`python -m docs.record_stages`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"
GLUE = "\N{NO-BREAK SPACE}"  # a narrow column may not break an interval

Cell = dict[str, Any] | str | None


def results_table(name: str) -> str:
    """Return one file of results as a Markdown table, with a line that says where the figures come from.

    Args:
        name: stem of the file in results/.
    """
    result = json.loads((RESULTS / f"{name}.json").read_text())
    rows = [[row["label"], *map(cell, row["cells"])] for row in result["rows"]]
    return f"{markdown(['', *result['columns']], rows)}\n\n{_origin(result)}"


def bench_table(name: str) -> str:
    """Return the measurements of a benchmark: what a step costs here, in a plain implementation, and the ratio."""
    measured = json.loads((RESULTS / f"{name}.json").read_text())
    rows = [
        [one["name"], _figure(one["ours"]), _figure(one["peer"]), _figure(one["ratio"]), one["unit"]]
        for one in measured
    ]
    return markdown(["what", "here", "plain", "plain / here", "unit"], rows)


def dry_run_table() -> str:
    """Return what the dry run's formulas say of tiny models beside what was counted in a step of them."""
    rows = [
        [row["name"], f"{row['measured']:,.0f}", row["by"], f"{row['formula']:,.0f}", off(row)]
        for row in json.loads((RESULTS / "dry_run.json").read_text())
    ]
    return markdown(["what", "measured", "how", "formula", "formula against measured"], rows)


def off(row: dict[str, Any]) -> str:
    """Return by how many percent the formula of a row differs from what was measured, with its sign."""
    return f"{signed(100 * (row['formula'] / row['measured'] - 1))} %"


def cell(value: Cell) -> str:
    """Return the text of one cell: score [interval] / blind, difference [its interval], and whether it was learned.

    >>> cell({"score": 59.6, "blind": 27.2, "learned": False})
    '59.6 / 27.2 *not learned*'
    """
    if value is None or isinstance(value, str):
        return value or NOTHING
    text = f"{value['score']:.1f}"
    if "interval" in value:
        text += " " + interval([f"{end:.1f}" for end in value["interval"]])
    if "scores" in value:
        text += f" ({min(value['scores']):.1f} to {max(value['scores']):.1f})"
    if "blind" in value:
        text += f" / {value['blind']:.1f}"
    if "control" in value:
        text += f" / {value['control']:.1f}" + (f" {value['control_name']}" if "control_name" in value else "")
    if "difference" in value:
        text += f", {signed(value['difference'])} {interval(map(signed, value['difference_interval']))}"
    if "learned_in" in value and value["learned_in"] < len(value["scores"]):
        text += f" *learned in {value['learned_in']} of {len(value['scores'])}*"
    return text + ("" if value.get("learned", True) else " *not learned*")


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _origin(result: dict[str, Any]) -> str:
    recorded = list(dict.fromkeys(row["recorded_in"] for row in result["rows"]))
    commits = ", ".join(f"`{commit}`" for commit in recorded)
    return f"*Command: `{result['command']}`. Seeds: {result['seeds']}. Recorded in {commits}. {result['predictions']}*"


def interval(ends: Iterable[str]) -> str:
    """Return the text of an interval that no narrow column breaks."""
    return f"[{f',{GLUE}'.join(ends)}]"


def signed(value: float) -> str:
    """Return a difference in points with its sign."""
    return f"{value:+.1f}".replace("-", MINUS) if round(value, 1) else "0.0"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
