"""Print a comparison at the terminal: its runs before, its table after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from components.evaluation import paired_comparison
from components.evaluation.comparison_power import Foreseen
from components.evaluation.estimates import p_text
from components.report import comparison as page
from components.train.dry_run.tables import table
from flows.arms import RunPlan


@dataclass(frozen=True)
class Compared:
    """The result of a comparison.

    Attributes:
        rows: of the table.
        failed: (arm, seed) -> why this run has no scores.
        page: HTML file.
        run_id: MLflow run of the comparison.
    """

    rows: list[paired_comparison.Row]
    failed: dict[tuple[str, int], str]
    page: Path
    run_id: str


def show_plan(comparison: str, plans: Sequence[RunPlan], *, stale: Sequence[str], foreseen: Sequence[Foreseen]) -> None:
    """Print which stages each run would train, about how long that takes, and how small a difference is found so.

    Args:
        comparison: name or file, for the title.
        plans: of the runs, in their order.
        stale: names of the stale data stages.
        foreseen: what each measure can find.
    """
    rows = [
        (
            plan.run.arm,
            str(plan.run.seed),
            ", ".join(plan.trains) or "nothing",
            ", ".join(plan.shares),
            ", ".join(plan.reuses),
            "not known" if plan.seconds is None else f"{plan.seconds / 60:.1f} min",
        )
        for plan in plans
    ]
    console = Console()
    columns = ("arm", "seed", "trains", "trained for a run above", "reuses", "about")
    console.print(table(f"{comparison}, nothing was run", columns, rows))
    known = [plan.seconds for plan in plans if plan.seconds is not None]
    missing = f"; of {len(plans) - len(known)} runs the time is not known" if len(known) < len(plans) else ""
    minutes = f"about {sum(known) / 60:.0f} min, without the start of processes and evaluations that never ran before"
    console.print(f"{len(plans)} runs, {minutes}{missing}")
    for measure in foreseen:
        console.print(str(measure), soft_wrap=True, highlight=False, markup=False)
    if stale:
        console.print(f"The data is stale ({', '.join(stale)}): it comes first, and nothing that reads it is reused.")


def show(compared: Compared) -> None:
    """Print the table, what failed, and where the page is."""
    rows = [
        (
            row.arm,
            row.measure,
            f"{100 * row.value.value:.1f}",
            page.control(row),
            "" if row.difference is None else f"{100 * row.difference.value:+.1f}",
            "" if row.difference is None else f"[{100 * row.difference.lo:+.1f}, {100 * row.difference.hi:+.1f}]",
            "" if row.p_holm is None else p_text(row.p_holm),
            "" if row.published is None else f"{row.published:+.1f}",
            row.verdict,
        )
        for row in compared.rows
    ]
    console = Console()
    columns = (
        "arm",
        "measure",
        "mean",
        "strongest control",
        "difference",
        "95 % interval",
        "p (Holm)",
        "published",
        "sign",
    )
    console.print(table(f"comparison run {compared.run_id}", columns, rows))
    for (arm, seed), why in compared.failed.items():
        console.print(f"{arm}, seed {seed} has no scores: {why}", style="red")
    console.print(f"page          {compared.page}", soft_wrap=True)
