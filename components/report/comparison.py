"""The page of a comparison: every measure of every arm beside the published difference, and two as a frontier.

No script and no external resource, as the report of a pipeline run, whose style it shares.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from components.evaluation.estimates import p_text
from components.evaluation.paired_comparison import Row
from components.report import frontier
from components.report.table import words
from components.report.templates import render


@dataclass(frozen=True)
class Finished:
    """A run that succeeded: its wall time, and (stage, "ran" or "reused", checkpoint) in training order."""

    arm: str
    seed: int
    seconds: float
    stages: list[tuple[str, str, str]]


def write(
    folder: Path,
    comparison: Mapping,
    rows: Sequence[Row],
    finished: Sequence[Finished],
    failed: Mapping[tuple[str, int], str],
    *,
    of: int,
    run_id: str,
    recorded_in: str,
    stages_s: float,
    made_of: Mapping[str, object],
) -> None:
    """Write `index.html`, `table.md` and `table.json`; called after every run, so that a long comparison can be read.

    Args:
        folder: of the three files.
        comparison: content of its YAML file.
        rows: of the table, from the runs so far.
        finished: runs that succeeded.
        failed: (arm, seed) -> the reason.
        of: number of all runs.
        run_id: MLflow run of the comparison.
        recorded_in: commit of the code.
        stages_s: wall time of the training and evaluation of all its stages, each counted once.
        made_of: what the scores stand on (`flows.arms.made_of`).
    """
    names = list(comparison["measures"])
    table = {arm: {row.measure: row for row in rows if row.arm == arm} for arm in dict.fromkeys(r.arm for r in rows)}
    drawn = frontier.draw(comparison, table) if comparison["frontier"] and table else None
    page = render(
        "comparison.html",
        comparison=comparison,
        of_all=changes(comparison["changes"]),
        changes={arm: changes(values["changes"]) for arm, values in comparison["arms"].items()},
        measures=names,
        table=table,
        only=only(table),
        percent=percent,
        control=control,
        signed=signed,
        p_text=p_text,
        frontier=drawn,
        finished=finished,
        failed=failed,
        of=of,
        run_id=run_id,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page)
    (folder / "table.md").write_text(markdown(names, table))
    numbers = {
        "comparison": comparison,
        "run_id": run_id,
        "recorded_in": recorded_in,
        "made_of": made_of,
        "runs": {"finished": len(finished), "failed": len(failed), "of": of},
        "stages_s": stages_s,
        "rows": [asdict(row) for row in rows],
        "failed": [{"arm": arm, "seed": seed, "why": why} for (arm, seed), why in failed.items()],
        "frontier": asdict(drawn) if drawn else None,
    }
    (folder / "table.json").write_text(json.dumps(_finite(numbers), indent=2, allow_nan=False) + "\n")


def files(folder: Path) -> list[Path]:
    """Return the paths that `write` writes."""
    return [folder / name for name in ("index.html", "table.md", "table.json")]


def markdown(measures: Sequence[str], table: Mapping[str, Mapping[str, Row]]) -> str:
    """Return the table in Markdown: mean over seeds / strongest control, difference with its interval, in percent."""
    lines = ["| arm | " + " | ".join(measures) + " |", "|---" * (len(measures) + 1) + "|"]
    for arm, note in only(table).items():
        cells = [f"{arm} ({note})" if note else arm, *(_cell(table[arm][measure]) for measure in measures)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def only(table: Mapping[str, Mapping[str, Row]]) -> dict[str, str]:
    """Return for each arm a note on its seeds where it lacks some: its means then stand on fewer seeds than others'."""
    seeds = {arm: next(iter(rows.values())).seeds for arm, rows in table.items()}
    every = {seed for own in seeds.values() for seed in own}
    return {arm: "" if every == set(own) else f"only seed {', '.join(map(str, own))}" for arm, own in seeds.items()}


def _cell(row: Row) -> str:
    scored = f"{percent(row.value.value)} / {control(row)}"
    if row.difference is None or row.p_holm is None:
        return f"{scored} [{percent(row.value.lo)}, {percent(row.value.hi)}]"
    note = f" *published {row.published:+.1f}: {row.verdict}*" if row.verdict else ""
    lo, hi = signed(row.difference.lo), signed(row.difference.hi)
    return f"{scored}, {signed(row.difference.value)} [{lo}, {hi}] p {p_text(row.p_holm)}{note}"


def control(row: Row) -> str:
    """Return the strongest control of a measure by its name, with its mean in percent; a dash where there is none."""
    return f"{words(row.strongest)} {percent(row.control)}" if row.strongest else percent(math.nan)


def percent(value: float) -> str:
    """Return a share as text in percent.

    >>> percent(0.1234), percent(float("inf")), percent(float("nan"))
    ('12.3', '∞', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{100 * value:.1f}" if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def signed(value: float) -> str:
    """Return a difference of shares as text in percentage points, with its sign.

    >>> signed(0.012), signed(-0.1), signed(0.0)
    ('+1.2', '−10.0', '0.0')
    """
    text = percent(abs(value))
    return text if text == "0.0" else ("+" if value > 0 else "−") + text


def changes(values: Mapping[str, object]) -> list[str]:
    """Return what an arm changes, a line for each value.

    >>> changes({"stage3.lora": None, "stage2.losses": {"vtg": 1.0}})
    ['stage3.lora left out', 'stage2.losses: vtg 1.0']
    """
    lines = []
    for path, value in values.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {item}" for name, item in value.items())
        lines.append(f"{path} left out" if value is None else f"{path}: {value}")
    return lines


def _finite(value: object) -> object:
    # JSON knows no infinity: the open ends of an interval become null
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
