"""The recipes of a comparison's runs, written and judged before anything is trained. No Prefect: see recipes.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from components import params
from components.params.comparison import Comparison, recipe_of
from flows import recipes


@dataclass(frozen=True)
class Run:
    """One arm of a comparison with one seed, and the YAML of its complete recipe."""

    arm: str
    seed: int
    recipe: Path


def write_recipes(
    comparison: Comparison, folder: Path, *, source: Path | str, seeds: int, arms: Sequence[str] = ()
) -> list[Run]:
    """Write the recipe of every run of a comparison into a folder.

    Args:
        comparison: names the recipe that is changed, and the changes of each arm.
        folder: takes a file `<arm>-<seed>.yaml` for each run.
        source: file of the comparison, where mistakes are to be mended; or what it is called.
        seeds: repetitions of each arm.
        arms: names of the arms to run; the arm that they are compared with joins them. All where none is named.

    Returns:
        The runs, all arms of a seed before the next seed.

    Raises:
        ValueError: no such arm, or a change that does not fit; every recipe is checked before any is run.
    """
    if unknown := sorted(set(arms) - set(comparison.arms)):
        raise ValueError(f"arms {unknown} came, allowed are {list(comparison.arms)} of comparison {comparison.name!r}")
    if seeds < 1:
        raise ValueError(f"{seeds} seeds came, allowed is 1 and more")
    wanted = [arm for arm in comparison.arms if not arms or arm in {*arms, comparison.against}]
    base = params.read(params.find_recipe(str(comparison.recipe)))
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(seeds):
        for arm in wanted:
            run = Run(arm, seed, folder / f"{file_name(arm)}-{seed}.yaml")
            with run.recipe.open("w") as file:
                YAML().dump(recipe_of(comparison, base, arm, seed), file)
            runs.append(run)
    judge(runs, source=source)
    return runs


def judge(runs: Sequence[Run], *, source: Path | str, data: Path | None = None) -> None:
    """Refuse runs of which any asks for what cannot be trained.

    Args:
        runs: arms and seeds with their recipes.
        source: file of the comparison, which their recipes are written from.
        data: folder of the data; None before that is up to date.

    Raises:
        ValueError: has the mistakes of every arm.
    """
    wrong: dict[str, str] = {}  # arm -> mistakes: other seeds repeat them, and other arms may
    for run in runs:
        try:
            recipes.load(run.recipe, source=source, trains=data is not None, data=data)
        except ValueError as error:
            wrong.setdefault(run.arm, str(error))
    if wrong:
        arms = {text: [repr(arm) for arm in wrong if wrong[arm] == text] for text in wrong.values()}
        raise ValueError("\n".join(f"arm {', '.join(names)}: {text}" for text, names in arms.items()))


def file_name(arm: str) -> str:
    """Turn the name of an arm into one of letters, digits and hyphens, for a file.

    >>> file_name("no G, no CCL")
    'no-G-no-CCL'
    """
    return "-".join("".join(letter if letter.isalnum() else " " for letter in arm).split())
