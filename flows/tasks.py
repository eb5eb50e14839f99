"""What the flows share: the reason to stop, their run in MLflow, and Prefect tasks; and all of flows/jobs.py.

The working directory is the project root: a deployment's worker sets it, and `python -m flows.…` needs it anyway.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from components import tracking
from components.train.provenance import git_commit
from flows import interrupt
from flows.jobs import (
    DATA,
    DATA_PARAMS,
    EVALUATION,
    LOGS,
    RECIPE,
    ChangedMeanwhile,
    How,
    Job,
    NestedStage,
    Outcome,
    TrainedStage,
    check_unchanged,
    cores,
    digest_tags,
    open_job,
    source_digest,
    with_dataset,
)
from flows.supervisor import StagePaused, StageStopped

__all__ = [
    "DATA",
    "DATA_PARAMS",
    "EVALUATION",
    "LOGS",
    "RECIPE",
    "ChangedMeanwhile",
    "How",
    "Job",
    "NestedStage",
    "Outcome",
    "Stop",
    "TrainedStage",
    "as_task",
    "check_unchanged",
    "cores",
    "digest_tags",
    "git_commit",
    "nest",
    "open_job",
    "pipeline_run",
    "run_name",
    "runner",
    "source_digest",
    "stopping",
    "unseen",
    "with_dataset",
]

Given = ParamSpec("Given")
Result = TypeVar("Result")
Kept = TypeVar("Kept")


class Stop:
    """A callable that returns why the processes of this flow run must end, or None while they may go on.

    Prefect cancels a run by a signal to its main thread and knows nothing of processes that its tasks started, and a
    flow run survives the death of its worker; so the tasks ask here.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        # a worker executes the run as its own child; from a shell the parent may come and go
        self._worker_pid = os.getppid() if "PREFECT__FLOW_RUN_ID" in os.environ else None

    def __call__(self) -> str | None:
        """Return the reason, or None."""
        if self._worker_pid is not None and os.getppid() != self._worker_pid:
            return f"the Prefect worker (process {self._worker_pid}) that executed this flow run is gone"
        return self.reason


def run_name() -> str:
    """Name a flow run in Prefect by its flow, its recipe or comparison, what is changed of that, and the time (UTC)."""
    given = flow_run.parameters
    named = given.get("recipe") or given.get("comparison")
    words = [flow_run.flow_name, *([Path(named).stem] if named else []), *(given.get("overrides") or ())]
    return " ".join([*words, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())])


@contextlib.contextmanager
def stopping() -> Generator[Stop]:
    """Yield a `Stop` that has a reason as soon as the block is left, by cancellation or failure."""
    stop = Stop()
    try:
        yield stop
    finally:
        stop.reason = "its flow run ended (cancelled, or another stage failed)"


@contextlib.contextmanager
def pipeline_run(kind: str, job: Job) -> Generator[str]:
    """Open the MLflow run that the stages' runs are nested in, yield its id, and end it as the block ends.

    Args:
        kind: "pipeline" for the whole path, which `retrain` compares with; else the name of the flow.
        job: the recipe and the digests that become tags of the run.
    """
    tags = {"kind": kind, "recipe": str(job.recipe_path), "git_commit": git_commit(job.root)} | digest_tags(job)
    tags |= {"overrides": " ".join(job.overrides)} if job.overrides else {}
    run_id = tracking.open_pipeline_run(f"{kind} {job.recipe.name}", tags=tags)
    # by the names that overrides have, so that MLflow compares two runs key by key
    stages = {stage.name: stage.model_dump(mode="json", exclude={"name"}) for stage in job.recipe.stages}
    tracking.log_params(run_id, {"stages": stages, "model": job.recipe.model.model_dump(mode="json")})
    if job.dataset is not None:
        tracking.log_dataset(run_id, job.dataset)
    status = "KILLED"  # what stays when a signal ends the block
    try:
        with interrupt.ends(run_id):
            yield run_id
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    except BaseException:
        # a cancelled run: Prefect kills this process after 30 s, while a stage may save for a minute
        tracking.end_open(run_id)
        raise
    finally:
        tracking.finish(run_id, status)


def nest(stage: TrainedStage, pipeline_run_id: str, *, evaluation_s: float | None = None) -> NestedStage:
    """Make a finished stage visible in a pipeline run.

    Args:
        stage: one that was trained in this pipeline run is nested in it already; a reused one gets a light nested run
            that points to the run that trained it.
        pipeline_run_id: MLflow run of the pipeline.
        evaluation_s: seconds that its evaluation took; None where it was not evaluated.
    """
    is_reused = stage.how == "reused"
    run_id = tracking.link_reused(pipeline_run_id, stage.name, stage.run_id) if is_reused else stage.run_id
    return NestedStage(**vars(stage), nested_run_id=run_id, evaluation_s=evaluation_s)


def as_task(body: Callable[Given, Result], name: str, *, retries: int = 0) -> Task[Given, Result]:
    """Make a Prefect task of a function; a stopped one is Cancelled there, and raises what stopped it all the same.

    Nothing is cached by Prefect (DVC and MLflow are the caches), and nothing is tried again once stopped or paused.

    Args:
        body: the function.
        name: of the task and of each of its runs.
        retries: how often it is tried again after it raised.
    """

    @functools.wraps(body)
    def cancellable(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return body(*args, **kwargs)
        except StageStopped as stopped:  # Prefect takes a state that is returned for that of the task
            return cast("Result", Cancelled(message=str(stopped), data=stopped))

    return Task(
        cancellable,
        name=name,
        task_run_name=name,
        retries=retries,
        retry_delay_seconds=1,
        retry_condition_fn=_may_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def unseen(value: Kept) -> Kept:
    """Return a value for a parameter of a task in which Prefect looks for no results of other tasks.

    It knows those by identity and goes through all that a value holds, so a name that a job and a finished stage share
    is an edge in its graph of the run, though neither waits for the other.
    """
    return cast("Kept", quote(value))  # the task gets the value itself


def _may_retry(_task: Task, _run: object, state: State) -> bool:
    # a paused stage waits for a person, and would only pause again; changed files stay changed
    return not isinstance(state.result(raise_on_failure=False), StageStopped | StagePaused | ChangedMeanwhile)


def runner() -> TaskRunner[PrefectFuture[Any]]:
    """Return the task runner of every flow: a thread for each supervised process; the processes do the work."""
    # `flow` is typed for a runner of any futures, this one is for those of threads, and the parameter is invariant
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=8))
