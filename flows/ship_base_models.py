"""Make the shipped base models anew: train the base stages of a recipe, and keep what they learned.

Run as: python -m flows.ship_base_models [--recipe miniature]

Commit what it writes to infra/base_models. The weights need not be the same to the bit on another processor; what
they score is.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from prefect import flow

from components.train import shipped, trained_parts
from flows import failure, options, tasks, train


@flow(name="base-models", task_runner=tasks.runner())
def ship(recipe: str = tasks.RECIPE) -> list[Path]:
    """Train the base stages of a recipe, whatever is shipped, and return the folders that are shipped now.

    Args:
        recipe: YAML of the training run, or its bare name in params/recipes.
    """
    job = tasks.open_job(recipe, dataset=None, trains=True)
    folder = job.root / shipped.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    with tasks.stopping() as stop, tasks.pipeline_run("base models", job) as run_id:
        futures = train.start_without_data(job, run_id, stop)
        stages = [future.result() for future in futures.values()]
    return [trained_parts.keep(stage.checkpoint, folder / stage.name, shipped.world(job.root)) for stage in stages]


def main() -> int:
    """Read the command line, train, and say what is shipped now; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.recipe(parser)
    try:
        folders = ship(parser.parse_args().recipe)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    sys.stdout.write("".join(f"{folder} is shipped now\n" for folder in folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
