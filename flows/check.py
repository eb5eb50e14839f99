"""Check every file of params/ and plan what it asks for, without running anything; report all mistakes at once.

Run as: python -m flows.check [FILE…]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components import params
from components.params import claims, drift
from components.params.comparison import Comparison
from flows import arm_recipes, options, tasks

PARAMS = Path("params")


def check(files: Sequence[Path]) -> dict[Path, str]:
    """Load each file into its schema and, of a recipe or a comparison, plan what it would train.

    Args:
        files: YAML files of params/; which schema a file has follows from its name and folder.

    Returns:
        File -> its mistakes in words, for the files that have any.
    """
    mistakes = {}
    for file in files:
        try:
            _check(file)
        except (ValueError, OSError) as error:
            mistakes[file] = str(error)
    return mistakes


def _check(file: Path) -> None:
    if file.parent.name == params.RECIPES.name:
        tasks.open_job(str(file), dataset=None, promotes=True)
    elif file.parent.name == params.COMPARISONS.name:
        comparison = params.load(file, Comparison)
        with tempfile.TemporaryDirectory() as folder:
            arm_recipes.write_recipes(comparison, Path(folder), source=file, seeds=1)
    elif file.name == tasks.DATA_PARAMS.name:
        params.load(file, params.Data)
    elif file.name == tasks.EVALUATION.name:
        params.load(file, params.Eval)
    elif file.name == claims.FILE.name:
        claims.load(file.parents[1])
    elif file.name == drift.FILE.name:
        params.load(file, params.Drift)
    else:
        raise ValueError(
            f"{file} came, allowed are data.yaml, eval.yaml, claims.yaml, drift.yaml and the YAML files of folders "
            f"{params.RECIPES.name} and {params.COMPARISONS.name}"
        )


def main() -> int:
    """Check the named files, or all, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.check(parser)
    given = parser.parse_args()
    files = [Path(name) for name in given.files] or sorted(PARAMS.rglob("*.yaml"))
    mistakes, console = check(files), Console()
    for file in files:
        console.print(f"{file}: {'wrong' if file in mistakes else 'good'}", highlight=False, soft_wrap=True)
    for text in mistakes.values():
        console.print(f"\n{text}", style="red", highlight=False, markup=False, soft_wrap=True)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
