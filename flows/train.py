"""The training stages of a recipe: reused where MLflow knows a finished run of the same key, launched where not."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.logging import get_run_logger

from components import storage, tracking
from components.params import Stage
from components.records.single_writer import LOCKS, BusyError, single_writer
from components.tracking.code import code_of, other_code
from components.train import interpreter, launch_command, plan, provenance, versions
from components.train.judge import verdict
from components.train.safety import resumable
from flows import base_models, data, drift, gpus, levels, progress, supervisor, tasks
from flows.tasks import Job, NestedStage, Stop, TrainedStage

PROGRESS_S = 15.0
WAIT_S = 0.5  # between two looks whether another flow has ended the same stage
GRACE_S = 60.0  # from SIGTERM to SIGKILL: a stage ends its step and saves a checkpoint
# Prefect 3.9 kills a cancelled flow after 30 s, and has no setting for it. By then the flow has ended by itself, while
# the stage saves on below its watchdog, which holds the lock of its folder
LEAVE_S = 15.0


class After(Protocol):
    """What is done with a finished stage; see `train_stages`."""

    def __call__(self, stage: TrainedStage, *, alone: bool) -> NestedStage | PrefectFuture[NestedStage]:
        """Return the stage, or its future."""
        ...


@flow(name="train", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def train(recipe: str = tasks.RECIPE, overrides: Sequence[str] = ()) -> list[NestedStage]:
    """Train every stage of a recipe, with changes of the command line, on the data as it is."""
    job = tasks.open_job(recipe, overrides, dataset=data.digest(), trains=True)
    with tasks.stopping() as stop, tasks.pipeline_run("train", job) as run_id:
        drift.keep(run_id, data.digest())
        return train_stages(job, run_id, stop, after=lambda stage, alone: tasks.nest(stage, run_id))


def start_without_data(job: Job, pipeline_run_id: str, stop: Stop) -> dict[str, PrefectFuture[TrainedStage]]:
    """Start the base stages of the first level, which read no dataset, and wait until they leave a core free.

    Args:
        job: recipe and keys.
        pipeline_run_id: the MLflow run that the stages' runs are nested in.
        stop: ends the processes.

    Returns:
        Stage name -> future of the stage.
    """
    first = levels.on_this_machine(job.recipe.stages)[0]
    base = [stage for stage in first if stage.algorithm in plan.WITHOUT_DATASET]
    running = {stage.name: _start(job, stage, pipeline_run_id, stop) for stage in base}
    if sum(stage.ranks * stage.threads_per_rank for stage in base) >= tasks.cores():
        next(as_completed(list(running.values())))
    return running


def train_stages(
    job: Job,
    pipeline_run_id: str,
    stop: Stop,
    *,
    after: After,
    started: Mapping[str, PrefectFuture[TrainedStage]] = MappingProxyType({}),
) -> list[NestedStage]:
    """Run the stages level by level; the stages of a level at the same time.

    Args:
        job: recipe and keys.
        pipeline_run_id: the MLflow run that the stages' runs are nested in.
        stop: ends the processes.
        after: called with each finished stage, `alone` where no other level follows; it may start work (an evaluation)
            that goes on beside the next level, and returns the stage or its future.
        started: stage name -> future of the stages that run already.

    Returns:
        The stages in the order in which they ran.

    Raises:
        StageFailed: a stage failed twice; with the last lines of its log.
        StagePaused: a stage paused itself; with what came, what is allowed and where to change it.
    """
    for line in verdict.slow_on_cpu(job.recipe, tasks.cores()) if not launch_command.gpus() else ():
        get_run_logger().warning(line)
    in_levels = levels.on_this_machine(job.recipe.stages)
    finished: list[NestedStage | PrefectFuture[NestedStage]] = []
    running = dict(started)
    for number, level in enumerate(in_levels):
        for stage in level:
            if stage.name not in running:
                parents = [running[name] for name in sorted(set(stage.parents.values()))]
                running[stage.name] = _start(job, stage, pipeline_run_id, stop, parents=parents)
        outcomes = [running[stage.name].result() for stage in level]
        finished += [after(outcome, alone=number + 1 == len(in_levels)) for outcome in outcomes]
    return [stage.result() if isinstance(stage, PrefectFuture) else stage for stage in finished]


def _start(
    job: Job, stage: Stage, pipeline_run_id: str, stop: Stop, *, parents: Sequence[PrefectFuture[TrainedStage]] = ()
) -> PrefectFuture[TrainedStage]:
    task = tasks.as_task(train_stage, f"train {stage.name}", retries=1)
    # the parents have ended: Prefect draws its edges by what a task waits for
    return task.submit(  # ty: ignore[no-matching-overload] - it binds no keywords to a ParamSpec beside `wait_for`
        tasks.unseen(job), tasks.unseen(stage), pipeline_run_id, stop, wait_for=parents, return_state=False
    )


def train_stage(job: Job, stage: Stage, pipeline_run_id: str, stop: Stop) -> TrainedStage:
    """Reuse the finished run of this stage's key, or train it in processes of its own, on GPUs of its own.

    A retry, or a later run of the same key, goes on from the last resumable checkpoint in the folder. While another
    flow trains this very stage in this checkout, it waits, and then reuses what that has made.

    Args:
        job: recipe and keys.
        stage: one of the recipe; its parents are finished.
        pipeline_run_id: the MLflow run that the stage's run is nested in.
        stop: ends the processes.

    Raises:
        StageFailed, StagePaused, StageStopped: as `supervisor.supervise`.
        ChangedMeanwhile: code or parameters are no longer those of the key.
        DamagedError: its finished checkpoint is not what it left; says what to do.
    """
    with _alone(job.root / LOCKS / f"{job.checkpoint(stage.name).name}.lock", stage.name, stop) as lock:
        return _reuse_or_train(job, stage, pipeline_run_id, stop, lock=lock)


@contextmanager
def _alone(lock: Path, stage: str, stop: Stop) -> Generator[int]:
    """Hold the lock of a checkpoint folder; wait for it, and say for whom."""
    logger, told = get_run_logger(), False
    with ExitStack() as held:
        while True:
            try:
                descriptor = held.enter_context(single_writer(lock, f"the checkpoint of stage {stage!r}"))
                break
            except BusyError as busy:
                if reason := stop():
                    raise supervisor.StageStopped(f"{stage!r} waited for its turn and was stopped: {reason}") from busy
                if not told:
                    logger.info("%s waits: %s", stage, busy)
                told = True
                time.sleep(WAIT_S)
        yield descriptor


def _reuse_or_train(job: Job, stage: Stage, pipeline_run_id: str, stop: Stop, *, lock: int) -> TrainedStage:
    logger, started_s = get_run_logger(), time.monotonic()
    key, checkpoint = job.keys[stage.name], job.checkpoint(stage.name)
    known = tracking.finished_stage(key)
    kept_at = storage.place(f"checkpoints/{checkpoint.name}")
    if known is not None and kept_at and not plan.is_finished(checkpoint):
        _fetch(kept_at, checkpoint, stage)
    if known is not None and plan.is_finished(checkpoint):
        made = plan.checked(checkpoint, stage)
        by = other_code(made, job.code)
        told = f"run {known} has the key {key[:12]}, checkpoint {checkpoint}{by and f'; {by}'}"
        logger.info("%s is reused: %s", stage.name, told)
        _keep(checkpoint, kept_at)
        return TrainedStage(stage.name, "reused", time.monotonic() - started_s, checkpoint, known)
    tasks.check_unchanged(job)
    made = {"stage_key": key, "code_digest": job.code, "git_commit": tasks.git_commit(job.root)}
    used = versions.of(job.recipe, stage)
    shipped = base_models.place(job, stage)
    if shipped:  # it was other code that trained it
        made |= code_of(plan.checked(checkpoint, stage))
    # which command made it; the values themselves are among the parameters
    made_by = {"recipe_file": str(job.recipe_path), "overrides": " ".join(job.overrides)}
    tags = made | made_by | {"versions": json.dumps(used), "checkpoint": str(provenance.recorded(checkpoint))}
    run_id = tracking.open_stage_run(
        pipeline_run_id,
        stage.name,
        params=stage.model_dump(mode="json") | {"model": job.recipe.model.model_dump(mode="json")},
        tags=tags | ({"adopted": shipped} if shipped else {}),
        dataset_digest=job.dataset if stage.algorithm not in plan.WITHOUT_DATASET else None,
    )
    status = "FAILED"
    try:
        if shipped:
            tracking.send_finished(checkpoint, run_id, steps=plan.checked(checkpoint, stage)["steps"])
        else:
            with gpus.reserved(stage.ranks, stop=stop) as gpu_ids, tracking.system_metrics(run_id):
                known = made | made_by | {"versions": used, "dataset_digest": job.dataset}
                _launch(job, stage, run_id, stop, gpu_ids, known=known, lock=lock)
        tracking.send_rest(checkpoint)
        _keep(checkpoint, kept_at)
        status = "FINISHED"
    except supervisor.StageStopped:
        status = "KILLED"
        raise
    finally:
        tracking.finish(run_id, status)
    how = "shipped" if shipped else "ran"
    return TrainedStage(stage.name, how, time.monotonic() - started_s, checkpoint, run_id)


def _fetch(uri: str, checkpoint: Path, stage: Stage) -> None:
    """Copy a kept checkpoint here, where there is one; what came damaged does not stay."""
    if not storage.fetch(uri, checkpoint, marker=plan.FINISHED):
        return
    try:
        plan.checked(checkpoint, stage, whole=True)
    except ValueError as error:
        shutil.rmtree(checkpoint)
        raise ValueError(
            f"the copy at {uri} is damaged; take it away, and the stage is made again.\n{error}"
        ) from error


def _keep(checkpoint: Path, uri: str | None) -> None:
    if uri is not None:
        storage.store(checkpoint, uri, marker=plan.FINISHED)


def _launch(
    job: Job,
    stage: Stage,
    run_id: str,
    stop: Stop,
    gpu_ids: Sequence[str],
    *,
    known: Mapping[str, object],
    lock: int,
) -> None:
    logger, checkpoint = get_run_logger(), job.checkpoint(stage.name)
    log_path = job.root / tasks.LOGS / f"{checkpoint.name}.log"
    names = [one.name for one in job.recipe.stages]
    logger.info("%s starts (stage %d of %d); log %s", stage.name, names.index(stage.name) + 1, len(names), log_path)
    if fallen := resumable.drop_damaged(checkpoint / "trainer"):
        logger.warning("%s: %s", stage.name, fallen)
        tracking.set_tags(run_id, {"fell_back": fallen})
    logged_s = time.monotonic()

    def stop_and_log() -> str | None:
        nonlocal logged_s
        if time.monotonic() - logged_s > PROGRESS_S:
            logged_s = time.monotonic()
            logger.info(progress.of(job, stage))
        return stop()

    command = launch_command.command(
        recipe=job.recipe_path,
        overrides=job.overrides,
        stage=stage.name,
        ranks=stage.ranks,
        parents={part: job.checkpoint(parent) for part, parent in stage.parents.items()},
        data=tasks.DATA,
        output=checkpoint,
        run_id=run_id,
        provenance=known,
        gpu_ids=gpu_ids,
    )
    env = launch_command.environment(
        job.root, threads=stage.threads_per_rank, gpu_ids=gpu_ids, python=interpreter.python()
    )
    timeout_s = stage.timeout_minutes * 60
    try:
        supervisor.supervise(
            command,
            env,
            log_path=log_path,
            timeout_s=timeout_s,
            cwd=job.root,
            stop=stop_and_log,
            grace_s=GRACE_S,
            leave_s=LEAVE_S,
            locks=(lock,),  # a flow that dies leaves a stage that saves a checkpoint for up to a minute
        )
    except supervisor.StagePaused as paused:
        evidence = checkpoint / "paused.json"
        tracking.log_artifacts(run_id, evidence, "paused")
        raise supervisor.StagePaused(
            f"{plan.pause_of(checkpoint)}\nThe numbers: {evidence}\nThe whole log: {log_path}"
        ) from paused
    tracking.log_artifacts(run_id, log_path, "log")
    # the launcher ends with 0 when a signal ends its inner half, so its exit code alone proves nothing
    if not plan.is_finished(checkpoint):
        raise supervisor.StageFailed(
            f"stage {stage.name!r} ended without an error but {checkpoint} has no stage.json, which is written last."
            f"\nThe whole log: {log_path}"
        )
