"""A recipe with the keys of its stages, and what became of stages. No Prefect: to look needs no server.

The working directory is the project root: a deployment's worker sets it, and `python -m flows.…` needs it anyway.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from components import params
from components.train import interpreter, plan, versions
from flows import options, recipes

RECIPE = options.RECIPE
DATA_PARAMS = options.DATA_PARAMS
EVALUATION = options.EVALUATION
LOGS = Path(".cache/logs")
DATA = Path("data")
# what a pipeline run is made by, its page and what this prints of it included
SOURCES = ("components", "flows", "infra/deepspeed", "params")

How = Literal["ran", "shipped", "reused", "from cache"]


@dataclass(frozen=True)
class Job:
    """One recipe on one state of data and code.

    Attributes:
        root: project root, absolute.
        recipe_path: YAML of the recipe, relative to the root where it lies below it.
        recipe: its content.
        dataset: digest of the dataset; None before the data is up to date.
        code: digest of the training code, which says what trained; no key has it.
        keys: stage name -> stage key (components/train/plan.py); without a dataset only those of base stages.
        files: file name -> sha256 of every file of the training code, of the recipe and of the data's parameters.
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
    keys = _keys(loaded, dataset)
    return Job(root, path, loaded, dataset, code, keys, files | settings, tuple(overrides))


def _keys(recipe: params.Recipe, dataset: str | None) -> dict[str, str]:
    world = plan.world_values(params.load(DATA_PARAMS, params.Data))
    return plan.stage_keys(recipe, dataset=dataset, world=world)


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
    return replace(job, dataset=dataset, keys=_keys(job.recipe, dataset))


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


def digest_tags(job: Job) -> dict[str, str]:
    """Return the digests of what a pipeline run is made from, as tags of its run; no dataset before that is known."""
    recipe = hashlib.sha256(json.dumps(job.recipe.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
    tags = {"code_digest": job.code, "versions_digest": versions.digest(job.recipe), "recipe_digest": recipe}
    return tags if job.dataset is None else tags | {"dataset_digest": job.dataset}


def source_digest(root: Path) -> str:
    """Return the sha256 of all code and parameters below a project root, whatever of them a run reads."""
    files = (path for folder in SOURCES for path in (root / folder).rglob("*") if path.suffix != ".pyc")
    return plan.code_digest(plan.digests_of(root, (path.relative_to(root).as_posix() for path in files)))


def cores() -> int:
    """Return the number of processor cores that we may use."""
    return len(os.sched_getaffinity(0))
