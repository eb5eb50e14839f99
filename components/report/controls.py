"""The table of controls: each score of a stage beside everything that answered without seeing."""

from __future__ import annotations

from typing import get_args

from components.params.evaluation import Control
from components.report.comparison import signed
from components.report.counts import CountTable
from components.report.stage import Stage
from components.report.table import column, is_learned, order, percent, words


def control_table(stages: list[Stage]) -> CountTable | None:
    """Return the scores of the last evaluated stage beside their controls, in percent; None where none was evaluated.

    The lead is over the strongest control, on the samples that both answered.
    """
    stage = next((stage for stage in reversed(stages) if stage.metrics), None)
    if stage is None or stage.metrics is None:
        return None
    named = sorted(stage.metrics, key=lambda name: order(column(name)))
    known = [name for name in get_args(Control) if any(name in stage.metrics[each]["controls"] for each in named)]
    header = ["score", "model", *map(words, known), "chance", "strongest", "lead", "learned"]
    return CountTable(f"Controls of {stage.name}", header, [_row(name, stage.metrics[name], known) for name in named])


def _row(name: str, entry: dict, known: list[str]) -> list[tuple[str, bool]]:
    controls, strongest = entry["controls"], entry["strongest"]
    values = [controls[control]["value"] if control in controls else None for control in known]
    learned = {True: "yes", False: "no", None: "–"}[is_learned(name, entry)]
    lead = "–"
    if strongest:
        above = controls[strongest]
        interval = "" if above["lo"] is None else f" [{signed(above['lo'])}, {signed(above['hi'])}]"
        lead = signed(above["difference"]) + interval
    numbers = [percent(value) for value in (entry["value"], *values, entry["chance"])]
    named = words(strongest) if strongest else "–"
    return [(name, False), *((number, True) for number in numbers), (named, False), (lead, True), (learned, False)]
