"""The door for configuration: `params/*.yaml` become frozen, typed values; an unknown key is an error.

Inner functions take plain values; only `__main__` modules and flows read these classes.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from components.params.data import Clips, Data, EgoRe, Frames, Funnel, Llm, LlmBudget, Sources, World
from components.params.evaluation import Eval, Gate, Task
from components.params.recipe import QWEN, AnyModel, Egoflow, Grpo, Lora, Model, Qwen, Recipe, Stage, Vllm, Watch
from components.params.strict import Strict

__all__ = [
    "QWEN",
    "AnyModel",
    "Clips",
    "Data",
    "EgoRe",
    "Egoflow",
    "Eval",
    "Frames",
    "Funnel",
    "Gate",
    "Grpo",
    "Llm",
    "LlmBudget",
    "Lora",
    "Model",
    "Qwen",
    "Recipe",
    "Sources",
    "Stage",
    "Task",
    "Vllm",
    "Watch",
    "World",
    "find_recipe",
    "load",
]

RECIPES = Path("params/recipes")


def load(path: Path, schema: type[Strict]) -> Strict:
    """Read a YAML 1.2 file into its schema.

    Raises:
        ValueError: every problem of the file at once, each with its key, what came and what is allowed.
    """
    # YAML 1.2, so that 1e-5 is a number as DVC reads it; PyYAML would give a string
    raw = YAML(typ="safe").load(path.read_text())
    try:
        return schema.model_validate(raw)
    except ValueError as error:
        raise ValueError(
            f"{path}: {error}\nMend it in {path}; the keys and their meaning are in components/params."
        ) from error


def find_recipe(name: str) -> Path:
    """Return the file of a recipe.

    Args:
        name: a YAML file, or the bare name of one in params/recipes.

    Raises:
        ValueError: neither of the two.
    """
    for path in (Path(name), RECIPES / f"{name}.yaml"):
        if path.is_file():
            return path
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    raise ValueError(f"recipe {name!r} is no file, allowed are also the names {known}")
