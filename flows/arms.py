"""Plan the runs of a comparison: which stages each would train, and about how long that takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components import params, tracking
from components.evaluation import identity
from components.params.comparison import Comparison, recipe_of
from components.train import plan
from flows import data, levels, tasks
from flows.arm_recipes import Run
from flows.tasks import Job


@dataclass(frozen=True)
class RunPlan:
    """Which stages a run would train, and which not.

    Attributes:
        run: arm, seed and recipe.
        trains: names of the stages that it would train.
        reuses: those that are finished already.
        shares: those that a run before it would train.
        seconds: estimated wall time; None where no stage of some name was trained on this machine yet.
    """

    run: Run
    trains: tuple[str, ...]
    reuses: tuple[str, ...]
    shares: tuple[str, ...]
    seconds: float | None


def made_of(comparison: Comparison) -> dict[str, object]:
    """Return what the scores of a comparison stand on beside the code, to know later whether they still do.

    Returns:
        Digests of the dataset ("dataset"), of the values in params/data.yaml and params/eval.yaml without the promotion
        rule ("settings"), and of the recipe of each arm ("recipes").
    """
    base = params.read(params.find_recipe(str(comparison.recipe)))
    asked = params.load(tasks.EVALUATION, params.Eval).model_dump(mode="json", exclude={"promotion"})
    made = params.load(tasks.DATA_PARAMS, params.Data).model_dump(mode="json")
    return {
        "dataset": data.digest(),
        "settings": identity.digest({"data": made, "evaluation": asked}),
        # of the second repetition, which shows what is reseeded, and in which only what is compared is evaluated
        "recipes": {arm: identity.digest(recipe_of(comparison, base, arm, seed=1)) for arm in comparison.arms},
    }


def plan_runs(runs: Sequence[Run], *, dataset: str) -> list[RunPlan]:
    """Find out for each run which of its stages would be trained.

    Args:
        runs: in the order in which they run.
        dataset: digest of the data.
    """
    trained_before: set[str] = set()  # stage keys
    plans = []
    for run in runs:
        job = tasks.open_job(str(run.recipe), dataset=dataset)
        names = [stage.name for stage in job.recipe.stages]
        shares = tuple(name for name in names if job.keys[name] in trained_before)
        reuses = tuple(name for name in names if name not in shares and _is_finished(job, name))
        trains = tuple(name for name in names if name not in shares + reuses)
        trained_before |= {job.keys[name] for name in trains}
        plans.append(RunPlan(run, trains=trains, reuses=reuses, shares=shares, seconds=_seconds(job, trains)))
    return plans


def _is_finished(job: Job, stage: str) -> bool:
    return plan.is_finished(job.checkpoint(stage)) and tracking.finished_stage(job.keys[stage]) is not None


def _seconds(job: Job, trains: Sequence[str]) -> float | None:
    """Estimate the wall time of a run from the newest checkpoints of stages of the same names on this machine."""
    of_stages: dict[str, float] = dict.fromkeys((stage.name for stage in job.recipe.stages), 0.0)
    for stage in job.recipe.stages:
        if stage.name in trains:
            seconds = _stage_seconds(job.root, stage)
            if seconds is None:
                return None
            of_stages[stage.name] = seconds
    in_levels = levels.on_this_machine(job.recipe.stages)
    return sum(max(of_stages[stage.name] for stage in level) for level in in_levels)


def _stage_seconds(root: Path, stage: params.Stage) -> float | None:
    """Scale the seconds of the newest stage of this name to the steps of this one, and add those of its evaluation."""
    finished = sorted((root / "checkpoints").glob(f"{stage.name}-*/stage.json"), key=lambda path: path.stat().st_mtime)
    if not finished or (stage.max_steps is None and stage.distill is None):
        return None
    newest = json.loads(finished[-1].read_text())
    if stage.max_steps is None:
        return newest["seconds"]
    evaluation_s = _evaluation_seconds(finished[-1].parent) if stage.evaluate else 0.0
    return newest["seconds"] * stage.max_steps / newest["steps"] + evaluation_s


def seconds_of(checkpoint: Path) -> float:
    """Return the wall time that the training and the evaluation of a finished stage took, whichever run did them."""
    return json.loads((checkpoint / "stage.json").read_text())["seconds"] + _evaluation_seconds(checkpoint)


def _evaluation_seconds(checkpoint: Path) -> float:
    path = checkpoint / "evaluation" / "seconds.txt"
    return float(path.read_text()) if path.is_file() else 0.0
