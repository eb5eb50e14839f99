"""Every checkpoint measured on the held-out takes, in a process of its own, once per (checkpoint, data, parameters)."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from components import params, tracking
from components.train import launch_command, plan
from flows import data, supervisor, tasks
from flows.tasks import Job, Outcome, Stop

TIMEOUT_S = 24 * 3600.0


@flow(name="evaluate", task_runner=tasks.runner())
def evaluate(recipe: str = tasks.RECIPE) -> list[Outcome]:
    """Measure the finished checkpoints of a recipe, without training any."""
    job = tasks.open_job(recipe, dataset=data.digest())
    outcomes = [trained(job, stage.name) for stage in job.recipe.stages if stage.evaluate]
    with tasks.stopping() as stop, tasks.pipeline_run("evaluate", job) as run_id:
        beside = Beside(job, run_id, stop)
        return [future.result() for future in [beside(outcome, tasks.cores()) for outcome in outcomes]]


class Beside:
    """Starts evaluations that run beside whatever comes next, one at a time; given to `train_stages` as `after`."""

    def __init__(self, job: Job, pipeline_run_id: str, stop: Stop):
        self._job, self._run_id, self._stop = job, pipeline_run_id, stop
        self._last: list[PrefectFuture] = []
        self._measured = {stage.name for stage in job.recipe.stages if stage.evaluate}

    def __call__(self, outcome: Outcome, threads: int) -> Outcome | PrefectFuture[Outcome]:
        """Start the evaluation of a finished stage; a stage that the recipe does not measure is only shown."""
        if outcome.name not in self._measured:
            return tasks.shown(outcome, self._run_id)
        task = tasks.as_task(evaluate_stage, f"evaluate {outcome.name}", retries=1)
        future = task.submit(self._job, outcome, self._run_id, self._stop, threads=threads, wait_for=self._last)
        self._last = [future]
        return future


def evaluate_stage(job: Job, outcome: Outcome, pipeline_run_id: str, stop: Stop, *, threads: int) -> Outcome:
    """Measure a checkpoint, log the numbers to the run that trained it, and show the stage below this pipeline run."""
    logger, started_s = get_run_logger(), time.monotonic()
    folder = outcome.checkpoint / "evaluation"
    mark = folder / "key.txt"
    key = _key(job, outcome)
    if mark.is_file() and mark.read_text() == key:
        logger.info("%s has been measured on this data already: %s", outcome.name, folder / "metrics.json")
    else:
        measure(job, outcome.checkpoint, stop, named=_named(job, outcome), threads=threads)
        tracking.log_evaluation(outcome.run_id, folder / "metrics.json")
        tracking.log_artifacts(outcome.run_id, folder / "predictions.parquet", "evaluation")
        (folder / "seconds.txt").write_text(f"{time.monotonic() - started_s:.1f}\n")
        mark.write_text(key)  # last: whatever broke before is done again
        logger.info("%s measured in %.0f s", outcome.name, time.monotonic() - started_s)
    return tasks.shown(replace(outcome, measured_s=time.monotonic() - started_s), pipeline_run_id)


def measure(job: Job, checkpoint: Path, stop: Stop, *, named: Sequence[str] = (), threads: int) -> None:
    """Run `components.evaluation` on a checkpoint; it writes `evaluation/` there.

    Args:
        named: tasks to measure; all of params/eval.yaml where none is named.
        threads: of the process; with fewer than there are cores, it leaves those to the training beside it.

    Raises:
        StageFailed: it failed; with the last lines of its log.
    """
    (checkpoint / "evaluation" / "key.txt").unlink(missing_ok=True)
    command = [sys.executable, "-m", "components.evaluation", "--checkpoint", str(checkpoint)]
    command += ["--tasks", *named] if named else []
    command += ["--background"] if threads < tasks.cores() else []
    supervisor.supervise(
        [*command, "--data", str(tasks.DATA), "--params", str(tasks.EVALUATION)],
        launch_command.environment(job.root, threads=threads),
        log_path=job.root / tasks.LOGS / f"{checkpoint.name}-evaluation.log",
        timeout_s=TIMEOUT_S,
        cwd=job.root,
        stop=stop,
    )


def _named(job: Job, outcome: Outcome) -> tuple[str, ...]:
    return next(stage.evaluate for stage in job.recipe.stages if stage.name == outcome.name)


def _key(job: Job, outcome: Outcome) -> str:
    # the gate decides on numbers, it does not make them
    numbers = params.load(tasks.EVALUATION, params.Eval).model_dump(mode="json", exclude={"promotion"})
    code = plan.code_digest(plan.code_files(job.root, plan.EVALUATION))
    parts = [outcome.checkpoint.name, outcome.run_id, job.dataset, numbers, _named(job, outcome), code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def trained(job: Job, stage: str) -> Outcome:
    """Return the finished stage.

    Raises:
        ValueError: it has no finished run or no checkpoint on this data.
    """
    run_id, checkpoint = tracking.finished_stage(job.keys[stage]), job.checkpoint(stage)
    if run_id is None or not plan.is_finished(checkpoint):
        raise ValueError(
            f"stage {stage!r} of {job.recipe_path} has no finished checkpoint for the present data and code "
            f"(MLflow run {run_id}, checkpoint {checkpoint}).\nTrain it first: prefect deployment run train/train, "
            "or the whole path: python -m flows.pipeline"
        )
    return Outcome(stage, "reused", 0.0, checkpoint, run_id)
