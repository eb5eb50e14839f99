"""What a command line names is looked at before the command itself is imported: a mistake costs a second, not a minute.

The commands look again: they are programs of their own, and files may change meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from components import params
from components.params import claims
from components.params.comparison import Comparison, with_overrides
from components.params.mistakes import meant
from components.params.overrides import title
from flows import arm_recipes, options, recipes


def run(given: argparse.Namespace) -> None:
    """Judge the recipe of a pipeline run, or of the plan of one."""
    recipes.load(recipes.file_of(given.recipe), given.overrides, trains=not given.rehearse, promotes=True)


def train(given: argparse.Namespace) -> None:
    """Judge a recipe that is to be trained."""
    recipes.load(recipes.file_of(given.recipe), given.overrides, trains=True)


def recipe(given: argparse.Namespace) -> None:
    """Judge a recipe."""
    recipes.load(recipes.file_of(given.recipe), given.overrides)


def planned(given: argparse.Namespace) -> None:
    """Read a recipe; the plan judges it with the parameters of the data that it is given."""
    params.load_recipe(recipes.file_of(given.recipe), given.overrides)


def compare(given: argparse.Namespace) -> None:
    """Judge the recipes of a comparison."""
    comparison(given.comparison, given.overrides, arms=given.arms, seeds=given.seeds)


def comparison(name: str, overrides: Sequence[str], *, arms: Sequence[str] = (), seeds: int = 1) -> None:
    """Judge the recipes of the first repetition of a comparison.

    Args:
        name: its YAML, or its bare name in params/ablations.
        overrides: changes of its recipe from the command line.
        arms: as `arm_recipes.write_recipes` takes them.
        seeds: repetitions.

    Raises:
        ValueError: one of them is wrong.
    """
    path = params.find_comparison(name)
    wanted = with_overrides(params.load(path, Comparison), overrides)
    with tempfile.TemporaryDirectory() as folder:
        arm_recipes.write_recipes(wanted, Path(folder), source=title(path, overrides), seeds=min(seeds, 1), arms=arms)


def judged(given: argparse.Namespace) -> None:
    """Look for the comparisons that claims are to be judged by."""
    _, known = claims.load()
    for name in given.comparisons:
        if name not in known:
            raise ValueError(f"comparison {name!r} came{meant(name, known)}, allowed are {sorted(known)}")


def data(_given: argparse.Namespace) -> None:
    """Check the parameters of the data graph."""
    params.load(options.DATA_PARAMS, params.Data)


def nothing(_given: argparse.Namespace) -> None:
    """Look at nothing: the command names no file of params/."""


# command -> what to look at; each raises ValueError or OSError with the mistake in words
CHECKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": run,
    "data": data,
    "train": train,
    "evaluate": recipe,
    "adopt": recipe,
    "dry-run": planned,
    "compare": compare,
    "claims": judged,
}
