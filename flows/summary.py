"""Print a pipeline run at the terminal: its plan before, its stages after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components import tracking
from components.params.overrides import title
from components.tracking.code import other_code
from components.train import launch_command, plan, shipped
from components.train.dry_run.tables import table
from components.train.judge import mixture, samples, verdict
from flows import data_graph, jobs, levels
from flows.jobs import Job, NestedStage, Outcome

if TYPE_CHECKING:
    from components.evaluation.promotion_gate import Decision


@dataclass(frozen=True)
class Finished:
    """The result of a pipeline run: its data stages, its training stages, the promotion gate's decision, the page."""

    data: list[Outcome]
    stages: list[NestedStage]
    decision: Decision
    report: Path
    run_id: str
    seconds: float


def show(finished: Finished) -> None:
    """Print every stage, whether it ran or was reused, and where checkpoint, page and logs are."""
    decision = finished.decision
    model = f"model version {decision.version}{' is the champion now' if decision.promoted else ''}: {decision.reason}"
    _show(finished, finished.seconds, model)


@dataclass(frozen=True)
class Standing:
    """A pipeline run of before that another would only repeat: its stages, its page, and the champion's version."""

    data: list[Outcome]
    stages: list[NestedStage]
    champion: str
    report: Path
    run_id: str


def show_standing(standing: Standing, seconds: float) -> None:
    """Print a run that stands as `show` does, after so many seconds of looking."""
    _show(standing, seconds, f"nothing changed since that run; version {standing.champion} is the champion")


def _show(run: Finished | Standing, seconds: float, model: str) -> None:
    rows = [("data", one.name, one.how, _seconds(one.seconds), "") for one in run.data]
    rows += [("train", one.name, one.how, _seconds(one.seconds), _seconds(one.evaluation_s)) for one in run.stages]
    stages = table(f"pipeline run {run.run_id}", ("", "stage", "", "time", "evaluation"), rows, is_dim=_is_reused)
    reused = sum(row[2] != "ran" for row in rows)
    console = Console()
    console.print(stages)
    console.print(f"{len(rows) - reused} stages ran, {reused} reused, {seconds:.0f} s in all")
    console.print(f"{model}\n")
    console.print(_where(run), soft_wrap=True)


def show_stages(stages: Sequence[Outcome]) -> None:
    """Print the stages of one flow, whether each ran or was reused, and how long that took."""
    rows = [("", stage.name, stage.how, _seconds(stage.seconds)) for stage in stages]
    Console().print(table(f"{len(stages)} stages", ("", "stage", "", "time"), rows, is_dim=_is_reused))


def _where(run: Finished | Standing) -> str:
    return "\n".join(
        [
            f"report        {run.report}",
            f"checkpoint    {run.stages[-1].checkpoint}",
            f"MLflow        .venv/bin/mlflow ui --backend-store-uri {tracking.tracking_uri()}",
            f"              then {tracking.runs_url(run.run_id)}",
            "Prefect       .venv/bin/prefect server start   then http://127.0.0.1:4200",
            f"logs          {jobs.LOGS.resolve()}",
        ]
    )


def show_plan(recipe: str, overrides: Sequence[str] = ()) -> None:
    """Print what a pipeline run would do with each stage, without running any."""
    jobs.open_job(recipe, overrides, dataset=None, trains=True, promotes=True)  # its mistakes come out first
    stale = set(data_graph.stale())
    digest = None if stale else data_graph.digest()
    job = jobs.open_job(recipe, overrides, dataset=digest, trains=True, promotes=True)
    rows = [
        ("data", name, "runs" if name in stale else "up to date", "")
        for name in data_graph.stage_names(Path("dvc.yaml"))
    ]
    for number, level in enumerate(levels.on_this_machine(job.recipe.stages), start=1):
        rows += [("train", stage.name, _action(job, stage.name), str(number)) for stage in level]
    console, caption = Console(), f"{title(job.recipe_path, overrides)}, nothing was run"
    console.print(table(caption, ("", "stage", "", "step"), rows, is_dim=_is_reused))
    console.print("Stages of one step train at the same time. Run it: python -m flows.pipeline", soft_wrap=True)
    kinds = None if stale else samples.counted(jobs.DATA)
    for line in mixture.rewarded(job.recipe, kinds):
        console.print(line, soft_wrap=True, highlight=False)
    for line in verdict.slow_on_cpu(job.recipe, jobs.cores()) if not launch_command.gpus() else ():
        console.print(line, style="yellow", soft_wrap=True, highlight=False)


def _action(job: Job, stage: str) -> str:
    if stage not in job.keys:
        return "runs: the data is stale"
    if not plan.is_finished(job.checkpoint(stage)):
        asked = next(one for one in job.recipe.stages if one.name == stage)
        if not job.checkpoint(stage).exists() and shipped.find(job.root, job.recipe, asked):
            return f"is shipped in {shipped.FOLDER}"
        return "runs" + (", goes on from its last checkpoint" if job.checkpoint(stage).exists() else "")
    if (run_id := tracking.finished_stage(job.keys[stage])) is None:
        return "runs: MLflow knows no finished run of its checkpoint"
    by = other_code(plan.checked(job.checkpoint(stage)), job.code)
    return f"reused: run {run_id}" + (f"; {by}" if by else "")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _is_reused(row: tuple[str, ...]) -> bool:
    return row[2] in ("reused", "up to date")
