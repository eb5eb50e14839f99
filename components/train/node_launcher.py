"""DeepSpeed's launcher of one node's ranks, without MLflow.

Its package imports MLflow where that is installed, for a tuner that nobody runs: one to two seconds before each
stage. The ranks are processes of their own and import it as usual.

A rank that the kernel ended for want of memory can say nothing itself, so this does.
"""

from __future__ import annotations

import argparse
import runpy
import signal
import sys
from pathlib import Path


def killed(words: list[str]) -> str:
    """Say what it may mean that SIGKILL ended a rank.

    Args:
        words: the command line, in which the stage stands as `launch_command.arguments` writes it.
    """
    from components import params
    from components.train.safety import errors

    parser = argparse.ArgumentParser()
    for name in ("--recipe", "--stage"):
        parser.add_argument(name, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given, others = parser.parse_known_args(words)
    overrides = [word for word in others if word.startswith(("stages.", "model."))]
    recipe = params.load_recipe(params.find_recipe(given.recipe), overrides)
    stage = next(stage for stage in recipe.stages if stage.name == given.stage)
    return (
        f"stage {stage.name!r}: a rank was ended by SIGKILL. Where nobody did that by hand, the kernel did, because "
        f"memory ran out. {errors.less_memory(stage)} {errors.kept(given.output)}"
    )


def main() -> None:
    """Run the ranks; exits as DeepSpeed does, with the code of the first rank that failed."""
    # None ends an import by that name (importlib's own rule), which typeshed does not know
    sys.modules["mlflow"] = None  # ty: ignore[invalid-assignment]
    try:
        runpy.run_module("deepspeed.launcher.launch", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code == -signal.SIGKILL:
            sys.stderr.write(killed(sys.argv[1:]) + "\n")
        raise


if __name__ == "__main__":
    main()
