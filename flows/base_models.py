"""Base models that the project ships in infra/base_models: to the miniature what downloaded weights are to others.

One stands for a base stage of any recipe that asks for what it was made from: the same values of the stage, model and
world. That its code has changed since is no reason to train it again, and is shown in MLflow and in every report; the
tests hold it to what it scored. `python -m flows.ship_base_models` makes them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components import params
from components.train import plan
from flows import adopt, tasks

if TYPE_CHECKING:
    from pathlib import Path

    from components.params import Stage
    from flows.tasks import Job

FOLDER = "infra/base_models"
WHY = "shipped with the project"


def unlike(made: dict, job: Job, stage: Stage) -> list[str]:
    """Return the names of what a base stage asks for and a shipped model was not made from.

    Args:
        made: content of the shipped model's stage.json.
        job: has the recipe.
        stage: one of it.
    """
    asked = stage.model_dump(mode="json", exclude=plan.NOT_IN_KEY) | {
        "model": job.recipe.model.model_dump(mode="json"),
        "world": world(job.root),
    }
    was = made["params"] | {"model": made["model"], "world": made["world"]}
    return sorted(name for name, value in asked.items() if was.get(name) != value)


def world(root: Path) -> dict[str, float]:
    """Return the values of params/data.yaml that a base stage reads."""
    return plan.world_values(params.load(root / tasks.DATA_PARAMS, params.Data))


def place(job: Job, stage: Stage) -> str | None:
    """Put the shipped model of a stage where its checkpoint belongs.

    Args:
        job: recipe and keys.
        stage: one of it, not finished.

    Returns:
        Why it stands there; None where none is shipped for what the stage asks for, or the stage is begun already.
    """
    shipped, checkpoint = job.root / FOLDER / stage.name, job.checkpoint(stage.name)
    if stage.algorithm not in plan.WITHOUT_DATASET or not plan.is_finished(shipped) or checkpoint.exists():
        return None
    made = plan.checked(shipped, whole=True)
    if unlike(made, job, stage):
        return None
    differs = adopt.differences(made, job, stage.name)
    adopt.copy(shipped, checkpoint, made, {"stage_key": job.keys[stage.name]}, WHY, differs)
    return WHY
