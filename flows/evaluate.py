"""Evaluate checkpoints on the held-out takes, each in a process of its own, once per (checkpoint, data, parameters)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from components import params, tracking
from components.train import interpreter, launch_command, plan
from flows import data, gpus, supervisor, tasks
from flows.tasks import Job, NestedStage, Stop, TrainedStage

TIMEOUT_S = 24 * 3600.0


@flow(name="evaluate", task_runner=tasks.runner())
def evaluate(recipe: str = tasks.RECIPE) -> list[NestedStage]:
    """Evaluate the finished checkpoints of a recipe, without training any."""
    job = tasks.open_job(recipe, dataset=data.digest())
    stages = [finished_stage(job, stage.name) for stage in job.recipe.stages if stage.evaluate]
    with tasks.stopping() as stop, tasks.pipeline_run("evaluate", job) as run_id:
        background = Background(job, run_id, stop)
        return [future.result() for future in [background.start(stage, tasks.cores()) for stage in stages]]


class Background:
    """Starts evaluations that run beside whatever comes next, one at a time; given to `train_stages` as `after`."""

    def __init__(self, job: Job, pipeline_run_id: str, stop: Stop):
        self._job, self._run_id, self._stop = job, pipeline_run_id, stop
        self._last: list[PrefectFuture] = []
        self._evaluated = {stage.name for stage in job.recipe.stages if stage.evaluate}

    def __call__(self, stage: TrainedStage, threads: int) -> NestedStage | PrefectFuture[NestedStage]:
        """Start the evaluation of a finished stage; one that the recipe does not evaluate is only made visible."""
        return self.start(stage, threads) if stage.name in self._evaluated else tasks.nest(stage, self._run_id)

    def start(self, stage: TrainedStage, threads: int) -> PrefectFuture[NestedStage]:
        """Start the evaluation of a finished stage, with so many threads, behind the one that was started before."""
        task = tasks.as_task(evaluate_stage, f"evaluate {stage.name}", retries=1)
        future = task.submit(  # ty: ignore[no-matching-overload] - it binds no keywords to a ParamSpec beside `wait_for`
            self._job, stage, self._run_id, self._stop, threads=threads, wait_for=self._last, return_state=False
        )
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
    key_file = folder / "key.txt"
    key = _key(job, stage)
    if key_file.is_file() and key_file.read_text() == key:
        logger.info("%s has been evaluated on this data already: %s", stage.name, folder / "metrics.json")
    else:
        evaluate_checkpoint(job, stage.checkpoint, stop, eval_tasks=_evaluated(job, stage), threads=threads)
        tracking.log_evaluation(stage.run_id, folder / "metrics.json")
        tracking.log_artifacts(stage.run_id, folder / "predictions.parquet", "evaluation")
        (folder / "seconds.txt").write_text(f"{time.monotonic() - started_s:.1f}\n")
        key_file.write_text(key)  # last: whatever broke before is done again
        logger.info("%s evaluated in %.0f s", stage.name, time.monotonic() - started_s)
    return tasks.nest(stage, pipeline_run_id, evaluation_s=time.monotonic() - started_s)


def evaluate_checkpoint(
    job: Job, checkpoint: Path, stop: Stop, *, eval_tasks: Sequence[str] = (), threads: int
) -> None:
    """Run `components.evaluation` on a checkpoint, on a GPU of its own; it writes `evaluation/` there.

    Args:
        job: has the project root.
        checkpoint: folder of a finished stage.
        stop: ends the process.
        eval_tasks: tasks of params/eval.yaml; all where none is named.
        threads: of the process; with fewer than there are cores, it leaves those to the training beside it.

    Raises:
        StageFailed: it failed; with the last lines of its log.
    """
    (checkpoint / "evaluation" / "key.txt").unlink(missing_ok=True)
    command = [interpreter.python(), "-m", "components.evaluation", "--checkpoint", str(checkpoint)]
    command += ["--tasks", *eval_tasks] if eval_tasks else []
    command += ["--background"] if threads < tasks.cores() else []
    with gpus.reserved(1, stop=stop) as gpu_ids:
        supervisor.supervise(
            [*command, "--data", str(tasks.DATA), "--params", str(tasks.EVALUATION)],
            launch_command.environment(job.root, threads=threads, gpu_ids=gpu_ids, python=interpreter.python()),
            log_path=job.root / tasks.LOGS / f"{checkpoint.name}-evaluation.log",
            timeout_s=TIMEOUT_S,
            cwd=job.root,
            stop=stop,
        )


def _evaluated(job: Job, trained: TrainedStage) -> tuple[str, ...]:
    return next(stage.evaluate for stage in job.recipe.stages if stage.name == trained.name)


def _key(job: Job, stage: TrainedStage) -> str:
    # the gate decides on numbers, it does not make them
    numbers = params.load(tasks.EVALUATION, params.Eval).model_dump(mode="json", exclude={"promotion"})
    code = plan.code_digest(plan.code_files(job.root, plan.EVALUATION))
    parts = [stage.checkpoint.name, stage.run_id, job.dataset, numbers, _evaluated(job, stage), code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished_stage(job: Job, stage: str) -> TrainedStage:
    """Return a stage that is trained already.

    Args:
        job: recipe and keys.
        stage: name of one of its stages.

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
    return TrainedStage(stage, "reused", 0.0, checkpoint, run_id)
