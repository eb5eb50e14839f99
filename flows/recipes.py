"""A recipe is found, changed and judged before anything slow is imported or begun. No Prefect.

A mistake costs a second here; behind the start of Prefect's server it would cost many.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components import params
from components.params.overrides import title
from components.train import launch_command
from components.train.judge import samples, verdict
from components.train.judge.problem import refuse
from flows import options


def file_of(name: str) -> Path:
    """Return the file of a recipe, relative to the project root where it lies below it: its tag in MLflow.

    Args:
        name: a YAML file, or the bare name of one in params/recipes.

    Raises:
        ValueError: neither of the two; says which names there are.
    """
    path, root = params.find_recipe(name), Path.cwd()
    return path.relative_to(root) if path.is_relative_to(root) else path


def load(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    source: Path | str | None = None,
    trains: bool = False,
    promotes: bool = False,
    data: Path | None = None,
) -> params.Recipe:
    """Read a recipe and judge it.

    Args:
        path: of its YAML.
        overrides: of the command line.
        source: what to mend, of a recipe that was written from another; None for the recipe's own file.
        trains: whether it is to be trained on this machine.
        promotes: whether its last stage is put before the promotion gate.
        data: folder of the data that it is trained on; None before that is up to date.

    Raises:
        ValueError: it does not fit its schema, or it asks for what cannot be trained; has all mistakes of the kind.
    """
    recipe = params.load_recipe(path, overrides, source=source)
    found = verdict.problems(
        recipe,
        params.load(options.DATA_PARAMS, params.Data),
        params.load(options.EVALUATION, params.Eval),
        promotes=promotes,
        kinds=None if data is None else samples.counted(data),
        gpus=len(launch_command.gpus()) if trains else None,
    )
    refuse(found, source or title(path, overrides))
    return recipe
