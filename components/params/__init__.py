"""The door for configuration: `params/*.yaml` become frozen, typed values; an unknown key is an error.

Inner functions take plain values; only `__main__` modules and flows read these classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from components.params.data import Clips, Data, EgoRe, Frames, Funnel, Llm, LlmBudget, Sources, World
from components.params.distill import Distill
from components.params.drift import Drift
from components.params.evaluation import Eval, MappingTask, Promotion, Task
from components.params.grpo import Grpo, PauseRules, Vllm
from components.params.mistakes import meant, told
from components.params.model import QWEN, AnyModel, Egoflow, Model, Qwen
from components.params.overrides import applied, title
from components.params.recipe import Lora, Recipe, Stage
from components.params.strict import Strict

__all__ = [
    "QWEN",
    "AnyModel",
    "Clips",
    "Data",
    "Distill",
    "Drift",
    "EgoRe",
    "Egoflow",
    "Eval",
    "Frames",
    "Funnel",
    "Grpo",
    "Llm",
    "LlmBudget",
    "Lora",
    "MappingTask",
    "Model",
    "PauseRules",
    "Promotion",
    "Qwen",
    "Recipe",
    "Sources",
    "Stage",
    "Task",
    "Vllm",
    "World",
    "checked",
    "find_comparison",
    "find_recipe",
    "load",
    "load_recipe",
    "read",
]

RECIPES = Path("params/recipes")
COMPARISONS = Path("params/ablations")
Block = TypeVar("Block", bound=Strict)


def read(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 file of keys and values.

    Raises:
        ValueError: the file is no YAML, has a key twice, or is no mapping at its top level.
    """
    try:
        # YAML 1.2, so that 1e-5 is a number as DVC reads it; PyYAML would give a string
        raw = YAML(typ="safe").load(path.read_text())
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        raise ValueError(f"{path}, line {line}: {error.problem}; allowed is each key once, mend it there") from error
    except YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}\nMend it there.") from error
    if not isinstance(raw, dict):
        raise ValueError(
            f"{path} has {raw!r} at its top level, allowed are keys with values (`name: …`); mend it there"
        )
    return raw


def load(path: Path, schema: type[Block]) -> Block:
    """Read a YAML 1.2 file into its schema.

    Args:
        path: a file of params/.
        schema: the class of its top level, for example `Recipe`.

    Returns:
        A frozen instance of the schema.

    Raises:
        ValueError: every problem of the file at once, each with its key, what came and what is allowed.
    """
    return checked(read(path), path, schema)


def load_recipe(path: Path, overrides: Sequence[str] = (), *, source: Path | str | None = None) -> Recipe:
    """Read a recipe with changes from the command line.

    Args:
        path: of its YAML, which is right without them.
        overrides: see `components/params/overrides.py`.
        source: what to mend, of a recipe that was written from another; None for its own file.

    Raises:
        ValueError: as `load`, of the file as it is or of what the changes make of it.
    """
    raw = read(path)
    recipe = checked(raw, source or path, Recipe)
    if not overrides:
        return recipe
    try:
        changed = applied(raw, overrides)
    except ValueError as error:
        raise ValueError(f"{path} cannot be changed so:\n{error}") from error
    return checked(changed, title(path, overrides), Recipe)


def checked(raw: dict[str, Any], path: Path | str, schema: type[Block]) -> Block:
    """Check the content of a file, as `load` does.

    Args:
        raw: what stands in the file.
        path: of the file, for the message; or what it is called there.
        schema: the class of its top level.

    Raises:
        ValueError: as `load`.
    """
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        lines = told(error, raw, schema)
        raise ValueError(
            "\n- ".join([f"{path} has mistakes ({len(lines)}):", *lines])
            + f"\nMend them in {path}; the keys and their meaning are in components/params and docs/params.md."
        ) from error


def find_recipe(name: str) -> Path:
    """Return the file of a recipe.

    Args:
        name: a YAML file, or the bare name of one in params/recipes.

    Raises:
        ValueError: neither of the two.
    """
    return _find(name, RECIPES, "recipe")


def find_comparison(name: str) -> Path:
    """Return the file of a comparison.

    Args:
        name: a YAML file, or the bare name of one in params/ablations.

    Raises:
        ValueError: neither of the two.
    """
    return _find(name, COMPARISONS, "comparison")


def _find(name: str, folder: Path, kind: str) -> Path:
    for path in (Path(name), folder / f"{name}.yaml"):
        if path.is_file():
            return path
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    raise ValueError(f"{kind} {name!r} is no file{meant(name, known)}, allowed are also the names {known}")
