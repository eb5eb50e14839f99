"""What the flows share: a recipe with the keys of its stages, stage outcomes, the reason to stop, and Prefect tasks.

The working directory is the project root: a deployment's worker sets it, and `python -m flows.…` needs it anyway.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from components import params, tracking
from components.train import interpreter, plan
from components.train.provenance import git_commit
from flows import interrupt, options, recipes
from flows.supervisor import StagePaused, StageStopped

RECIPE = options.RECIPE
DATA_PARAMS = options.DATA_PARAMS
EVALUATION = options.EVALUATION
LOGS = Path(".cache/logs")
DATA = Path("data")

How = Literal["ran", "shipped", "reused", "from cache"]
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """One recipe on one state of data and code.

    Attributes:
        root: project root, absolute.
        recipe_path: YAML of the recipe, relative to the root where it lies below it.
        recipe: its content.
        dataset: digest of the dataset; None before the data is up to date.
        code: digest of the training code.
        keys: stage name -> stage key (components/train/plan.py); without a dataset only those of base stages.
        files: file name -> sha256 of every file that the keys were made from.
        overrides: changes of the recipe from the command line, which `recipe` has.
    """

    root: Path
    recipe_path: Path
    recipe: params.Recipe
    dataset: str | None
    code: str
    keys: dict[str, str]
    files: dict[str, str]
    overrides: tuple[str, ...] = ()

    def checkpoint(self, stage: str) -> Path:
        """Return the checkpoint folder of a stage."""
        return plan.checkpoint_dir(self.root, stage, self.keys[stage])


@dataclass(frozen=True)
class Outcome:
    """What became of one stage of the data graph or of a recipe, and how long that took."""

    name: str
    how: How
    seconds: float


@dataclass(frozen=True)
class TrainedStage(Outcome):
    """A training stage that is finished: its checkpoint folder, and the MLflow run that trained it."""

    checkpoint: Path
    run_id: str


@dataclass(frozen=True)
class NestedStage(TrainedStage):
    """A finished stage in a pipeline run: the MLflow run nested in that, and the seconds of its evaluation, if any."""

    nested_run_id: str
    evaluation_s: float | None = None


class ChangedMeanwhile(RuntimeError):  # noqa: N818 - like StagePaused, it says what happened
    """Code or parameters changed on disk while a flow ran."""


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


def open_job(
    recipe: str, overrides: Sequence[str] = (), *, dataset: str | None, trains: bool = False, promotes: bool = False
) -> Job:
    """Read and judge a recipe and compute the key of each of its stages.

    Args:
        recipe: see `recipes.file_of`.
        overrides: changes of it from the command line (components/params/overrides.py).
        dataset: digest of the data; None where the data is stale, then only base stages get a key.
        trains: whether it is to be trained on this machine, and on the data where that is not stale.
        promotes: whether its last stage is put before the promotion gate.

    Raises:
        ValueError: no such recipe, or as `recipes.load` and, where it trains, `interpreter.python`.
    """
    root, path = Path.cwd(), recipes.file_of(recipe)
    on = DATA if trains and dataset is not None else None
    loaded = recipes.load(path, overrides, trains=trains, promotes=promotes, data=on)
    if trains:
        interpreter.python()  # before the data, not after it
    files = plan.code_files(root)
    code, settings = plan.code_digest(files), plan.digests_of(root, (str(path), str(DATA_PARAMS)))
    keys = _keys(loaded, dataset, code)
    return Job(root, path, loaded, dataset, code, keys, files | settings, tuple(overrides))


def _keys(recipe: params.Recipe, dataset: str | None, code: str) -> dict[str, str]:
    world = plan.world_values(params.load(DATA_PARAMS, params.Data))
    return plan.stage_keys(recipe, dataset=dataset, world=world, code=code)


def with_dataset(job: Job, dataset: str) -> Job:
    """Complete a job that was opened before its data was up to date: its dataset, and the keys of all stages.

    Args:
        job: opened with `dataset=None`, to be trained.
        dataset: digest of the data as it is now.

    Raises:
        ChangedMeanwhile: as `check_unchanged`.
        ValueError: the data has not what the recipe asks for.
    """
    check_unchanged(job)
    recipes.load(job.recipe_path, job.overrides, trains=True, data=DATA)
    return replace(job, dataset=dataset, keys=_keys(job.recipe, dataset, job.code))


def check_unchanged(job: Job) -> None:
    """Make sure that code and parameters are still those that the keys of a job were made from.

    Raises:
        ChangedMeanwhile: a file is not what it was when the job was opened.
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


def digest_tags(job: Job) -> dict[str, str]:
    """Return the digests of what a pipeline run is made from, as tags of its run; no dataset before that is known."""
    recipe = json.dumps(job.recipe.model_dump(mode="json"), sort_keys=True)
    tags = {"code_digest": job.code, "recipe_digest": hashlib.sha256(recipe.encode()).hexdigest()}
    return tags if job.dataset is None else tags | {"dataset_digest": job.dataset}


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


def _may_retry(_task: Task, _run: object, state: State) -> bool:
    # a paused stage waits for a person, and would only pause again; changed files stay changed
    return not isinstance(state.result(raise_on_failure=False), StageStopped | StagePaused | ChangedMeanwhile)


def runner() -> TaskRunner[PrefectFuture[Any]]:
    """Return the task runner of every flow: a thread for each supervised process; the processes do the work."""
    # `flow` is typed for a runner of any futures, this one is for those of threads, and the parameter is invariant
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=8))


def cores() -> int:
    """Return the number of processor cores that we may use."""
    return len(os.sched_getaffinity(0))
