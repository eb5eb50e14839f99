"""The runs of a comparison before any is started: their recipes, what is trained for each, and about how long."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from components import params, tracking
from components.params.comparison import Comparison, recipe_of
from components.train import plan
from flows import levels, tasks
from flows.tasks import Job


@dataclass(frozen=True)
class Run:
    """One arm with one seed; `recipe` is complete, as if a person had written it."""

    arm: str
    seed: int
    recipe: Path


@dataclass(frozen=True)
class Planned:
    """What a run would train, reuse, and share with runs before it; `seconds` None where nothing was measured yet."""

    run: Run
    trains: tuple[str, ...]
    reuses: tuple[str, ...]
    shares: tuple[str, ...]
    seconds: float | None


def write_recipes(comparison: Comparison, folder: Path, *, seeds: int, arms: Sequence[str] = ()) -> list[Run]:
    """Write the recipe of every run into `folder`; give the runs, all arms of a seed before the next seed.

    Args:
        comparison: names the recipe that is changed.
        folder: takes `<arm>-<seed>.yaml`.
        seeds: repetitions.
        arms: those that are wanted, and with them the arm that they are compared with; all by default.

    Raises:
        ValueError: an arm that is none, or a change that does not fit; every recipe is checked before any is run.
    """
    if unknown := sorted(set(arms) - set(comparison.arms)):
        raise ValueError(f"arms {unknown} came, allowed are {list(comparison.arms)} of comparison {comparison.name!r}")
    if seeds < 1:
        raise ValueError(f"{seeds} seeds came, allowed is 1 and more")
    wanted = [arm for arm in comparison.arms if not arms or arm in {*arms, comparison.against}]
    base = params.read(comparison.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(seeds):
        for arm in wanted:
            run = Run(arm, seed, folder / f"{file_name(arm)}-{seed}.yaml")
            with run.recipe.open("w") as file:
                YAML().dump(recipe_of(comparison, base, arm, seed), file)
            params.load(run.recipe, params.Recipe)
            runs.append(run)
    return runs


def file_name(arm: str) -> str:
    """Write the name of an arm without what a path cannot hold.

    >>> file_name("no G, no CCL")
    'no-G-no-CCL'
    """
    return "-".join("".join(letter if letter.isalnum() else " " for letter in arm).split())


def planned(runs: Sequence[Run], *, dataset: str) -> list[Planned]:
    """Say for each run which of its stages would be trained.

    Args:
        runs: in the order in which they run.
        dataset: digest of the data.
    """
    ahead: set[str] = set()
    found = []
    for run in runs:
        job = tasks.open_job(str(run.recipe), dataset=dataset)
        fates: dict[str, list[str]] = {"trains": [], "reuses": [], "shares": []}
        for stage in job.recipe.stages:
            fates[_fate(job, stage.name, ahead)].append(stage.name)
        ahead |= {job.keys[name] for name in fates["trains"]}
        each = {fate: tuple(names) for fate, names in fates.items()}
        found.append(Planned(run, **each, seconds=_seconds(job, fates["trains"])))
    return found


def _fate(job: Job, stage: str, ahead: set[str]) -> str:
    if job.keys[stage] in ahead:
        return "shares"
    is_done = plan.is_finished(job.checkpoint(stage)) and tracking.finished_stage(job.keys[stage]) is not None
    return "reuses" if is_done else "trains"


def _seconds(job: Job, trains: Sequence[str]) -> float | None:
    """Estimate the wall time of a run from the newest checkpoints of stages of the same names on this machine."""
    each = {}
    for stage in job.recipe.stages:
        each[stage.name] = _stage_seconds(job.root, stage) if stage.name in trains else 0.0
        if each[stage.name] is None:
            return None
    steps = levels.of_stages(job.recipe.stages, threads=tasks.cores())
    return sum(max(each[stage.name] for stage in level) for level in steps)


def _stage_seconds(root: Path, stage: params.Stage) -> float | None:
    """Scale what a stage of this name took to the steps of this one, and add its evaluation."""
    made = sorted((root / "checkpoints").glob(f"{stage.name}-*/stage.json"), key=lambda path: path.stat().st_mtime)
    if not made or stage.max_steps is None:
        return None
    before = json.loads(made[-1].read_text())
    measured = made[-1].parent / "evaluation" / "seconds.txt"
    evaluation_s = float(measured.read_text()) if stage.evaluate and measured.is_file() else 0.0
    return before["seconds"] * stage.max_steps / before["steps"] + evaluation_s
