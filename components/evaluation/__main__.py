"""Evaluate a checkpoint on the held-out takes, beside its controls and chance, with intervals over takes.

Run as: python -m components.evaluation --checkpoint checkpoints/stage3-… --data data --params params/eval.yaml
On several GPUs: torchrun --nproc-per-node 8 -m components.evaluation --checkpoint …
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from pathlib import Path
from typing import get_args

from components import params
from components.evaluation import ranks
from components.evaluation.measure import Asked, evaluate


def main() -> None:
    """Read the command line and evaluate."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluation", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--params", type=Path, default=Path("params/eval.yaml"))
    parser.add_argument("--data-params", type=Path, default=Path("params/data.yaml"), help="that the data was made by")
    parser.add_argument("--tasks", nargs="+", default=None, help="default: of params/eval.yaml all but the mapping's")
    parser.add_argument("--rank-options", action="store_true", help="of closed questions; else the model writes")
    parser.add_argument("--max-new-tokens", type=int, default=None, help="longest answer; default: of params/eval.yaml")
    parser.add_argument("--teacher", type=Path, help="checkpoint that the task `alignment` compares with")
    parser.add_argument("--background", action="store_true", help="let everything else on this machine go first")
    options = parser.parse_args()
    if options.background:
        lower_priority()
    settings = params.load(options.params, params.Eval)
    how = Asked(
        tasks=options.tasks or [task for task in settings.limits if task in get_args(params.Task)],
        rank_options=options.rank_options,
        max_new_tokens=options.max_new_tokens or settings.max_new_tokens,
        time_step_s=params.load(options.data_params, params.Data).egore.time_step_s,
        teacher=options.teacher,
    )
    with ranks.joined() as place:
        logging.basicConfig(
            level=logging.INFO, format=f"rank {place.rank}: %(message)s" if place.size > 1 else "%(message)s"
        )
        evaluate(options.checkpoint, options.data, settings, how, ranks=place)


def lower_priority(group: Path = Path("/proc/self/autogroup")) -> None:
    """Let every other process on this machine have the cores first.

    Args:
        group: where Linux takes the priority of a session. It may weigh sessions before processes, and a flow starts
            each process in a session of its own.
    """
    os.nice(19)
    if group.is_file():
        with contextlib.suppress(OSError):  # of the session that the machine or container began with, it takes none
            group.write_text("19")


if __name__ == "__main__":
    main()
