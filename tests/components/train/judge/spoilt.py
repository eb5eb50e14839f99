"""Recipes with a value changed, and what judging says of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import params
from components.train.judge import verdict
from components.train.judge.problem import refuse

ROOT = Path(__file__).parents[4]
RECIPES = {path.stem: params.read(path) for path in sorted((ROOT / "params/recipes").glob("*.yaml"))}
DATA = params.load(ROOT / "params/data.yaml", params.Data)
EVALUATION = params.load(ROOT / "params/eval.yaml", params.Eval)
GONE = object()  # in the place of a value: the key is taken out


def changed(recipe: Mapping[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    """Return a recipe with other values.

    Args:
        recipe: as it stands in YAML.
        changes: `stage.key.key`, or a path from the top of the recipe, -> value.
    """
    made = copy.deepcopy(dict(recipe))
    stages = {stage["name"]: stage for stage in made["stages"]}
    for path, value in changes.items():
        *keys, last = path.split(".")
        block: Any = made | stages if keys else made
        for key in keys:
            block = block[key]
        if value is GONE:
            del block[last]
        else:
            block[last] = value
    return made


def complaint(raw: dict[str, Any], path: Path) -> str:
    """Return why a recipe is refused by its schema or by all that is judged without data, "" where it is not."""
    try:
        recipe = params.checked(raw, path, params.Recipe)
        refuse(verdict.problems(recipe, DATA, EVALUATION, promotes=True, counts=True), path)
    except ValueError as error:
        return str(error)
    return ""
