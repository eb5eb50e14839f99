"""Base models that the project ships in infra/base_models: to the miniature what downloaded weights are to others.

One stands for a base stage of any recipe that asks for what it was made from: the same values of the stage, model and
world, and the same versions of the parts that it uses (versions.py). The tests hold it to what it scored.
`python -m flows.ship_base_models` makes them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components import params
from components.train import plan, versions

if TYPE_CHECKING:
    from pathlib import Path

    from components.params import Recipe, Stage

FOLDER = "infra/base_models"
WHY = "shipped with the project"


def find(root: Path, recipe: Recipe, stage: Stage) -> dict | None:
    """Return stage.json of the shipped model that may stand for a stage; None where there is none.

    Args:
        root: project root.
        recipe: has the model.
        stage: one of it.

    Raises:
        DamagedError: the shipped files are not what was shipped.
    """
    folder = root / FOLDER / stage.name
    if stage.algorithm not in plan.WITHOUT_DATASET or not plan.is_finished(folder):
        return None
    made = plan.checked(folder, whole=True)
    return None if unlike(made, recipe, stage, world(root)) else made


def unlike(made: dict, recipe: Recipe, stage: Stage, world: dict[str, float]) -> list[str]:
    """Return the names of what a base stage asks for and a shipped model was not made from.

    Args:
        made: content of the shipped model's stage.json.
        recipe: has the model.
        stage: one of it.
        world: as `world` returns it.
    """
    asked = plan.settings(recipe, stage)
    asked = asked["stage"] | {"model": asked["model"], "world": world, "versions": versions.of(recipe, stage)}
    was = made["params"] | {name: made.get(name) for name in ("model", "world", "versions")}
    return sorted(name for name, value in asked.items() if was.get(name) != value)


def world(root: Path) -> dict[str, float]:
    """Return the values of params/data.yaml that a base stage reads."""
    return plan.world_values(params.load(root / "params/data.yaml", params.Data))
