"""What a person sees at the terminal: the plan before, the outcome after, a failure in its own words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from components import tracking
from components.train import plan
from flows import data, levels, promote, tasks
from flows.tasks import Job, Outcome


@dataclass(frozen=True)
class Finished:
    """What a pipeline run leaves behind."""

    data: list[Outcome]
    stages: list[Outcome]
    decision: tracking.PromotionDecision
    report: Path
    run_id: str
    seconds: float


def show(finished: Finished) -> None:
    """Print every stage, ran or reused, and where everything is."""
    rows = [("data", one.name, one.how, _seconds(one.seconds), "") for one in finished.data]
    rows += [("train", one.name, one.how, _seconds(one.seconds), _seconds(one.measured_s)) for one in finished.stages]
    table = _table(f"pipeline run {finished.run_id}", ("", "stage", "", "time", "evaluation"), rows)
    reused = sum(row[2] != "ran" for row in rows)
    verdict = " is the champion now" if finished.decision.promoted else ""
    console = Console()
    console.print(table)
    console.print(f"{len(rows) - reused} stages ran, {reused} reused, {finished.seconds:.0f} s in all")
    console.print(f"model version {finished.decision.version}{verdict}: {finished.decision.reason}\n")
    console.print(_where(finished), soft_wrap=True)


def _where(finished: Finished) -> str:
    return "\n".join(
        [
            f"report        {finished.report}",
            f"checkpoint    {finished.stages[-1].checkpoint}",
            f"MLflow        .venv/bin/mlflow ui --backend-store-uri {tracking.tracking_uri()}",
            "              then http://127.0.0.1:5000",
            "Prefect       .venv/bin/prefect server start   then http://127.0.0.1:4200",
            f"logs          {tasks.LOGS.resolve()}",
        ]
    )


def show_plan(recipe: str) -> None:
    """Print what a pipeline run would do with each stage, without running any."""
    promote.check_gate(tasks.open_job(recipe, dataset=None))  # a mistake in the recipe comes out first
    stale = set(data.stale())
    digest = None if stale else data.digest()
    job = tasks.open_job(recipe, dataset=digest)
    rows = [
        ("data", name, "runs" if name in stale else "up to date", "") for name in data.stage_names(Path("dvc.yaml"))
    ]
    for number, level in enumerate(levels.of_stages(job.recipe.stages, threads=tasks.cores()), start=1):
        rows += [("train", stage.name, _fate(job, stage.name), str(number)) for stage in level]
    console = Console()
    console.print(_table(f"{recipe}, nothing was run", ("", "stage", "", "step"), rows))
    console.print("Stages of one step train at the same time. Run it: python -m flows.pipeline", soft_wrap=True)


def show_failure(error: Exception) -> None:
    """Print what came, what is allowed and where to mend it, as the error says it."""
    Console(stderr=True).print(Panel(str(error), title=f"stopped by {type(error).__name__}", border_style="red"))


def _fate(job: Job, stage: str) -> str:
    if stage not in job.keys:
        return "runs: the data is stale"
    if not plan.is_finished(job.checkpoint(stage)):
        return "runs" + (", goes on from its last checkpoint" if job.checkpoint(stage).exists() else "")
    if (run_id := tracking.finished_stage(job.keys[stage])) is None:
        return "runs: MLflow knows no finished run of its checkpoint"
    return f"reused: run {run_id}"


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row, style="dim" if row[2] in ("reused", "up to date") else None)
    return table


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
