"""Evaluate a checkpoint on the held-out takes, beside a blind control and chance, with intervals over takes.

Run as: python -m components.evaluation --checkpoint checkpoints/stage3-… --data data --params params/eval.yaml
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import get_args

from components import params
from components.evaluation.measure import evaluate


def main() -> None:
    """Read the command line and evaluate."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluation", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--params", type=Path, default=Path("params/eval.yaml"))
    parser.add_argument("--tasks", nargs="+", default=None, help="default: of params/eval.yaml all but the mapping's")
    parser.add_argument("--background", action="store_true", help="let everything else on this machine go first")
    options = parser.parse_args()
    if options.background:
        lower_priority()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = params.load(options.params, params.Eval)
    tasks: list[str] = options.tasks or [task for task in settings.limits if task in get_args(params.Task)]
    evaluate(options.checkpoint, options.data, settings, tasks=tasks)


def lower_priority() -> None:
    """Let every other process on this machine have the cores first."""
    os.nice(19)
    group = Path("/proc/self/autogroup")  # Linux may weigh sessions before processes, and a flow starts each in its own
    if group.is_file():
        group.write_text("19")


if __name__ == "__main__":
    main()
