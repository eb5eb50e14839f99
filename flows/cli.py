"""The console command `egoflow`: every program of the project by one name.

Run as: egoflow --help; completion: eval "$(egoflow --print-completion bash)"

Nothing slow is imported before the subcommand is known.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence

import shtab

from flows import options

# subcommands that are programs of their own: module and what stands before the arguments
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "run": ("flows.pipeline", []),
    "compare": ("flows.compare", []),
    "claims": ("flows.claims", []),
    "check": ("flows.check", []),
    "doctor": ("flows.doctor", []),
    "adopt": ("flows.adopt", []),
    "why": ("components.evaluation.lineage", []),
    "impact": ("components.train.lineage", []),
    "lineage": ("flows.lineage", []),
    "drift": ("flows.drift", []),
    "dry-run": ("components.train", ["--dry-run"]),
    "export": ("components.models.export", []),
    "ask": ("flows.ask", []),
    "benchmark": ("flows.benchmark", []),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command with all its subcommands."""
    command = argparse.ArgumentParser(
        prog="egoflow", description="Ego and exo video to trained, evaluated and promoted video-language models."
    )
    shtab.add_argument_to(command, help="print a script that completes this command")
    subcommands = command.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name, (text, add_options) in options.COMMANDS.items():
        subcommand = subcommands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if add_options is not None:
            add_options(subcommand)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        arguments: of the command line, without the program; those of this process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = parser().parse_args(words)
    if (code := _before_imports(given)) is not None:
        return code
    if given.subcommand in PROGRAMS:
        module, first = PROGRAMS[given.subcommand]
        sys.argv = [f"egoflow {given.subcommand}", *first, *words[1:]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)  # ends by SystemExit
        return 0
    return _run_flow(given)


def _before_imports(given: argparse.Namespace) -> int | None:
    """Look at what needs no Prefect; return the exit code where that ends the command, else None.

    What the command line names is there and right, or it is said what is not; a pipeline run that would only repeat the
    last one is told instead, and so is the plan of one.
    """
    from flows import failure, preflight

    try:
        preflight.CHECKS.get(given.subcommand, preflight.nothing)(given)
        if given.subcommand != "run" or given.rehearse:
            return None
        if given.dry_run:
            from flows import summary

            summary.show_plan(given.recipe, given.overrides)
            return 0
        from flows import unchanged

        return 0 if unchanged.is_shown(given.recipe, tuple(given.overrides)) else None
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    return None


def _run_flow(given: argparse.Namespace) -> int:
    """Run one of the flows `data`, `train` and `evaluate` and print its stages."""
    from flows import data, evaluate, failure, summary, train

    try:
        if given.subcommand == "data":
            stages = data.data()
        else:
            run = {"train": train.train, "evaluate": evaluate.evaluate}[given.subcommand]
            stages = run(given.recipe, given.overrides)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    summary.show_stages(stages)
    return 0
