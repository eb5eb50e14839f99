"""Evaluate checkpoints on the held-out takes, each in a process of its own, once per (checkpoint, data, parameters)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from components import params, tracking
from components.train import interpreter, launch_command, plan
from flows import data, gpus, supervisor, tasks
from flows.evaluation_key import KEY_FILE, is_evaluated, key, max_new_tokens, recipe_of
from flows.tasks import Job, NestedStage, Stop, TrainedStage

TIMEOUT_S = 24 * 3600.0


@flow(name="evaluate", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def evaluate(recipe: str = tasks.RECIPE, overrides: Sequence[str] = ()) -> list[NestedStage]:
    """Evaluate the finished checkpoints of a recipe, without training any."""
    job = tasks.open_job(recipe, overrides, dataset=data.digest())
    stages = [finished_stage(job, stage.name) for stage in job.recipe.stages if stage.evaluate]
    with tasks.stopping() as stop, tasks.pipeline_run("evaluate", job) as run_id:
        background = Background(job, run_id, stop)
        return [future.result() for future in [background.start(stage, tasks.cores()) for stage in stages]]


class Background:
    """Starts evaluations that run beside whatever comes next; given to `train_stages` as `after`.

    Beside training there is one at a time. When nothing trains any more, the last one does not wait for the one before.
    """

    def __init__(self, job: Job, pipeline_run_id: str, stop: Stop):
        self._job, self._run_id, self._stop = job, pipeline_run_id, stop
        self._last: list[PrefectFuture] = []
        self._evaluated = {stage.name for stage in job.recipe.stages if stage.evaluate}

    def __call__(self, stage: TrainedStage, *, alone: bool) -> NestedStage | PrefectFuture[NestedStage]:
        """Start the evaluation of a finished stage; one that the recipe does not evaluate is only made visible.

        Args:
            stage: finished.
            alone: nothing trains beside it, so that it may use all cores.
        """
        if stage.name not in self._evaluated:
            return tasks.nest(stage, self._run_id)
        if alone:
            self._last = []
        return self.start(stage, tasks.cores() if alone else 1)

    def start(self, stage: TrainedStage, threads: int) -> PrefectFuture[NestedStage]:
        """Start the evaluation of a finished stage, with so many threads, behind the one that was started before."""
        task = tasks.as_task(evaluate_stage, f"evaluate {stage.name}", retries=1)
        future = task.submit(  # ty: ignore[no-matching-overload] - it binds no keywords to a ParamSpec beside `wait_for`
            tasks.unseen(self._job), stage, self._run_id, self._stop, threads=threads, wait_for=self._last,
            return_state=False,
        )  # fmt: skip
        self._last = [future]
        return future


def evaluate_stage(job: Job, stage: TrainedStage, pipeline_run_id: str, stop: Stop, *, threads: int) -> NestedStage:
    """Evaluate a checkpoint, log the metrics to the run that trained it, and nest the stage in this pipeline run.

    Args:
        job: recipe and dataset.
        stage: the stage that is finished.
        pipeline_run_id: MLflow run of the pipeline.
        stop: ends the process.
        threads: see `evaluate_checkpoint`.

    Raises:
        StageFailed, StageStopped: as `supervisor.supervise`.
    """
    logger, started_s = get_run_logger(), time.monotonic()
    folder = stage.checkpoint / "evaluation"
    if is_evaluated(job, stage):
        logger.info("%s has been evaluated on this data already: %s", stage.name, folder / "metrics.json")
    else:
        evaluate_checkpoint(job, stage.checkpoint, stop, how=recipe_of(job, stage), threads=threads)
        tracking.log_evaluation(stage.run_id, folder / "metrics.json")
        for name in ("predictions.parquet", "skipped.json", "identity.json"):
            tracking.log_artifacts(stage.run_id, folder / name, "evaluation")
        (folder / "seconds.txt").write_text(f"{time.monotonic() - started_s:.1f}\n")
        (stage.checkpoint / KEY_FILE).write_text(key(job, stage))  # last: whatever broke before is done again
        logger.info("%s evaluated in %.0f s", stage.name, time.monotonic() - started_s)
    return tasks.nest(stage, pipeline_run_id, evaluation_s=time.monotonic() - started_s)


def evaluate_checkpoint(job: Job, checkpoint: Path, stop: Stop, *, how: params.Stage, threads: int) -> None:
    """Run `components.evaluation` on a checkpoint; it writes `evaluation/` there.

    On a machine with GPUs it has as many as the stage was trained on, each with a process of its own.

    Args:
        job: has the project root.
        checkpoint: folder of a finished stage.
        stop: ends the processes.
        how: the stage of the recipe that says what the checkpoint is asked, and how.
        threads: of the process; with fewer than there are cores, it leaves those to the training beside it.

    Raises:
        StageFailed: it failed; with the last lines of its log.
    """
    (checkpoint / KEY_FILE).unlink(missing_ok=True)
    words = ["--checkpoint", str(checkpoint), "--data", str(tasks.DATA), "--params", str(tasks.EVALUATION)]
    words += ["--tasks", *how.evaluate] if how.evaluate else []
    words += ["--max-new-tokens", str(max_new_tokens(how))]
    words += ["--teacher", str(job.checkpoint(how.teacher))] if how.teacher else []
    words += ["--rank-options"] * how.rank_options + ["--background"] * (threads < tasks.cores())
    ranks = min(how.ranks, len(launch_command.gpus()))  # a stage of many hosts had more
    python = interpreter.python()
    with gpus.reserved(ranks, stop=stop) as gpu_ids:
        supervisor.supervise(
            [*launch_command.evaluation(ranks=max(ranks, 1), python=python), *words],
            launch_command.environment(job.root, threads=threads, gpu_ids=gpu_ids, python=python),
            log_path=job.root / tasks.LOGS / f"{checkpoint.name}-evaluation.log",
            timeout_s=TIMEOUT_S,
            cwd=job.root,
            stop=stop,
        )


def finished_stage(job: Job, stage: str) -> TrainedStage:
    """Return a stage that is trained already.

    Args:
        job: recipe and keys.
        stage: name of one of its stages.

    Raises:
        ValueError: it has no finished run or no checkpoint on this data, or that is damaged.
    """
    run_id, checkpoint = tracking.finished_stage(job.keys[stage]), job.checkpoint(stage)
    if run_id is None or not plan.is_finished(checkpoint):
        raise ValueError(
            f"stage {stage!r} of {job.recipe_path} has no finished checkpoint for the present data and recipe "
            f"(MLflow run {run_id}, checkpoint {checkpoint}).\nTrain it first: prefect deployment run train/train, "
            "or the whole path: python -m flows.pipeline"
        )
    plan.checked(checkpoint, next(one for one in job.recipe.stages if one.name == stage))
    return TrainedStage(stage, "reused", 0.0, checkpoint, run_id)
