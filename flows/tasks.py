"""What the flows share: the job at hand, what became of each stage, the reason to stop, and how work becomes a task.

The working directory is the project root: a deployment's worker sets it, and `python -m flows.…` needs it anyway.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from components import params, tracking
from components.train import plan
from components.train.provenance import git_commit
from flows.supervisor import StagePaused, StageStopped

RECIPE = "params/recipes/miniature.yaml"
DATA_PARAMS = Path("params/data.yaml")
EVALUATION = Path("params/eval.yaml")
LOGS = Path(".cache/logs")
DATA = Path("data")


@dataclass(frozen=True)
class Job:
    """One recipe on one state of data and code; `files` are those that made the keys: name -> sha256."""

    root: Path
    recipe_path: Path
    recipe: params.Recipe
    dataset: str | None
    code: str
    keys: dict[str, str]
    files: dict[str, str]

    def checkpoint(self, stage: str) -> Path:
        """Return the checkpoint folder of a stage."""
        return plan.checkpoint_dir(self.root, stage, self.keys[stage])


@dataclass(frozen=True)
class Outcome:
    """What became of one stage; `run_id` is the MLflow run that trained it, `shown_id` the one in this pipeline run."""

    name: str
    how: Literal["ran", "reused", "from cache"]
    seconds: float
    checkpoint: Path | None = None
    run_id: str | None = None
    shown_id: str | None = None
    measured_s: float | None = None


class ChangedMeanwhile(RuntimeError):  # noqa: N818 - like StagePaused, it says what happened
    """Code or parameters changed on disk while a flow ran."""


class Stop:
    """Answers why the processes of this flow run must end, or None while they may go on.

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


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Return a `Stop` that says yes as soon as the block is left, by cancellation or failure."""
    stop = Stop()
    try:
        yield stop
    finally:
        stop.reason = "its flow run ended (cancelled, or another stage failed)"


def open_job(recipe: str, *, dataset: str | None) -> Job:
    """Read a recipe and work out the key of each of its stages.

    Args:
        recipe: path of the YAML, relative to the project root.
        dataset: digest of the data; None where the data is stale, then only base stages get a key.

    Raises:
        FileNotFoundError: no such recipe; names those there are.
        ValueError: the recipe does not fit its schema, or asks for what training cannot do.
    """
    root, path = Path.cwd(), Path(recipe)
    if not path.is_file():
        known = sorted(str(one) for one in Path("params/recipes").glob("*.yaml"))
        raise FileNotFoundError(f"recipe {recipe!r} is not a file below {root}; there are {known}")
    loaded = params.load(path, params.Recipe)
    plan.check_trainable(loaded)
    files = plan.code_files(root)
    code, settings = plan.code_digest(files), plan.digests_of(root, (recipe, str(DATA_PARAMS)))
    return Job(root, path, loaded, dataset, code, _keys(loaded, dataset, code), files | settings)


def _keys(recipe: params.Recipe, dataset: str | None, code: str) -> dict[str, str]:
    world = plan.world_values(params.load(DATA_PARAMS, params.Data))
    return plan.stage_keys(recipe, dataset=dataset, world=world, code=code)


def with_dataset(job: Job, dataset: str) -> Job:
    """Return a job that was opened before its data was made the digest of that, and the keys of all stages.

    Raises:
        ChangedMeanwhile: as `check_unchanged`.
    """
    check_unchanged(job)
    return replace(job, dataset=dataset, keys=_keys(job.recipe, dataset, job.code))


def check_unchanged(job: Job) -> None:
    """Make sure that a process that starts now trains what the keys of a job stand for.

    Raises:
        ChangedMeanwhile: a file that they are made of is not what it was when the job was opened.
    """
    now = plan.digests_of(job.root, job.files)
    changed = [
        f"{name} {'changed' if now[name] else 'is gone'}" for name in sorted(now) if now[name] != job.files[name]
    ]
    if changed:
        raise ChangedMeanwhile(
            f"{', '.join(changed)} while this run went on; all stages of a run must come from the same code and "
            f"parameters, so no other is started.\nRun it again: what is finished for the files as they are then is "
            "reused, and everything this run finished is, once they are again what they were"
        )


@contextlib.contextmanager
def pipeline_run(kind: str, job: Job) -> Iterator[str]:
    """Open the MLflow run that the stages' runs are nested in, give its id, and end it as the block ends.

    Args:
        kind: "pipeline" for the whole path, which `retrain` compares with; else the name of the flow.
        job: gives the tags.
    """
    tags = {"kind": kind, "recipe": str(job.recipe_path), "code_digest": job.code, "git_commit": git_commit(job.root)}
    if job.dataset is not None:
        tags["dataset_digest"] = job.dataset
    run_id = tracking.open_pipeline_run(f"{kind} {job.recipe.name}", tags=tags)
    status = "KILLED"  # what stays when a signal ends the block
    try:
        yield run_id
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        tracking.finish(run_id, status)


def shown(outcome: Outcome, pipeline_run_id: str) -> Outcome:
    """Show a stage below this pipeline run: a reused one by a light run that points to the one that trained."""
    if outcome.how == "ran":
        return replace(outcome, shown_id=outcome.run_id)
    return replace(outcome, shown_id=tracking.link_reused(pipeline_run_id, outcome.name, outcome.run_id))


def as_task(body: Callable, name: str, *, retries: int = 0) -> Task:
    """Make a Prefect task of a function: no result cache (DVC and MLflow are), no retry once stopped or paused."""
    return task(
        body,
        name=name,
        task_run_name=name,
        retries=retries,
        retry_delay_seconds=1,
        retry_condition_fn=_may_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _may_retry(_task: Task, _run: object, state: object) -> bool:
    # a paused stage waits for a person, and would only pause again; changed files stay changed
    return not isinstance(state.result(raise_on_failure=False), StageStopped | StagePaused | ChangedMeanwhile)


def runner() -> ThreadPoolTaskRunner:
    """Return the task runner of every flow: a thread for each supervised process; the processes do the work."""
    return ThreadPoolTaskRunner(max_workers=8)


def cores() -> int:
    """Return the number of processor cores that we may use."""
    return len(os.sched_getaffinity(0))
