"""Start the ranks of a stage on this host alone, and end all where one fails.

DeepSpeed's and torch's own launchers do that too, for many hosts as well (components/train/multi_node.py uses them);
they import torch first, for two seconds before each stage, and look for ranks that have ended once a second.

A rank that the kernel ended for want of memory can say nothing itself, so this does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

GRACE_S = 30  # of ranks beside one that failed: they may be waiting for it


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


def settings(gpu_ids: list[str], rank: int, port: int) -> dict[str, str]:
    """Return the variables by which torch, DeepSpeed and accelerate know a rank.

    Args:
        gpu_ids: one for each rank.
        rank: its number.
        port: where the ranks would meet; components/train/rendezvous.py has them meet in a file.
    """
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(gpu_ids),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(len(gpu_ids)),
        "LOCAL_SIZE": str(len(gpu_ids)),
        "CROSS_RANK": "0",
        "CROSS_SIZE": "1",
    }


def run(command: list[str], gpu_ids: list[str], port: int) -> int:
    """Run a program once for each rank, until all have ended; SIGTERM and SIGINT tell all to end.

    Args:
        command: the program and its arguments.
        gpu_ids: one for each rank.
        port: see `settings`.

    Returns:
        0; or the exit code of the first rank that failed, negative where a signal ended it. The others then end too, at
        the latest after `GRACE_S`.
    """
    left: set[int] = set()

    def send(number: int) -> None:
        for pid in left:
            os.kill(pid, number)

    for number, sent in (
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGALRM, signal.SIGKILL),
    ):
        signal.signal(number, lambda _number, _frame, sent=sent: send(sent))
    for rank in range(len(gpu_ids)):
        # not subprocess: `os.wait` takes the end of its processes from it
        left.add(os.posix_spawn(command[0], command, os.environ | settings(gpu_ids, rank, port)))
    code = 0
    while left:
        pid, status = os.wait()
        left.discard(pid)
        if code == 0 and (code := os.waitstatus_to_exitcode(status)) != 0:
            send(signal.SIGTERM)
            signal.alarm(GRACE_S)
    return code


def main() -> None:
    """Run the ranks; exits with the code of the first one that failed."""
    parser = argparse.ArgumentParser(prog="components.train.node_launcher", description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", required=True, help="ids, one for each rank; on the CPU their number alone counts")
    parser.add_argument("--port", type=int, required=True, help="that is free")
    parser.add_argument("module", help="what a rank runs")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="its arguments")
    given = parser.parse_args()
    code = run([sys.executable, "-u", "-m", given.module, *given.words], given.gpus.split(","), given.port)
    if code == -signal.SIGKILL:
        sys.stderr.write(killed(given.words) + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
