"""What a person sees of a comparison at the terminal: the runs before, the table after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.evaluation import comparing
from flows.arms import Planned


@dataclass(frozen=True)
class Compared:
    """What a comparison leaves behind; `failed` says why a run has no scores."""

    rows: list[comparing.Row]
    failed: dict[tuple[str, int], str]
    page: Path
    run_id: str


def show_plan(comparison: str, found: Sequence[Planned], *, stale: Sequence[str]) -> None:
    """Print which stages each run would train, and about how long that takes."""
    rows = [
        (
            one.run.arm,
            str(one.run.seed),
            ", ".join(one.trains) or "nothing",
            ", ".join(one.shares),
            ", ".join(one.reuses),
            "not known" if one.seconds is None else f"{one.seconds / 60:.1f} min",
        )
        for one in found
    ]
    console = Console()
    columns = ("arm", "seed", "trains", "trained for a run above", "reuses", "about")
    console.print(_table(f"{comparison}, nothing was run", columns, rows))
    known = [one.seconds for one in found if one.seconds is not None]
    missing = f"; of {len(found) - len(known)} runs the time is not known" if len(known) < len(found) else ""
    minutes = f"about {sum(known) / 60:.0f} min, without the start of processes and what was never measured before"
    console.print(f"{len(found)} runs, {minutes}{missing}")
    if stale:
        console.print(f"The data is stale ({', '.join(stale)}): it comes first, and nothing that reads it is reused.")


def show(compared: Compared) -> None:
    """Print the table, what failed, and where the page is."""
    rows = [
        (
            row.arm,
            row.measure,
            f"{100 * row.value.value:.1f}",
            f"{100 * row.blind:.1f}",
            "" if row.difference is None else f"{100 * row.difference.value:+.1f}",
            "" if row.difference is None else f"[{100 * row.difference.lo:+.1f}, {100 * row.difference.hi:+.1f}]",
            "" if row.published is None else f"{row.published:+.1f}",
            row.verdict,
        )
        for row in compared.rows
    ]
    console = Console()
    columns = ("arm", "measure", "mean", "blind", "difference", "95 % interval", "published", "sign")
    console.print(_table(f"comparison run {compared.run_id}", columns, rows))
    for (arm, seed), why in compared.failed.items():
        console.print(f"{arm}, seed {seed} has no scores: {why}", style="red")
    console.print(f"page          {compared.page}", soft_wrap=True)


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
