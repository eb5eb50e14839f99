"""One step of the data graph: make its tables, account for every row, check the contracts of the tables.

Run as: python -m components.data STEP --params params/data.yaml (one DVC stage each), or with `check` in place of a
step: look at the head of every source, make nothing.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from components import params
from components.data.contracts import beside

STEPS = (
    "annotations",
    "media",
    "pretraining",
    "clips",
    "funnel",
    "egoit",
    "egore",
    "egoexo_con",
    "dataset",
    "frames",
    "quality",
)

INPUTS = {  # the steps whose tables a step reads
    "annotations": (),
    "media": ("annotations",),
    "pretraining": ("annotations", "media"),
    "clips": ("annotations",),
    "funnel": ("annotations", "media", "clips"),
    "egoit": ("annotations", "media", "clips"),
    "egore": ("annotations", "clips", "funnel"),
    "egoexo_con": ("annotations", "clips", "funnel"),
    "dataset": ("annotations", "media", "pretraining", "clips", "funnel", "egoit", "egore"),
    "frames": ("annotations", "media", "funnel", "dataset"),
    "quality": ("annotations", "media", "funnel", "dataset"),
}

log = logging.getLogger(__name__)


def _run_of(step: str) -> Callable[[params.Data, Path], dict]:
    """Return the `run` of a step: of its module, or of `step.py` where the step is a folder.

    Only that module is loaded, and only here: --help and a mistyped name cost nothing.
    """
    name = f"components.data.{step}"
    is_folder = (Path(__file__).parent / step).is_dir()
    return importlib.import_module(f"{name}.step" if is_folder else name).run


def dry_run(step: str, parameters: params.Data, data_dir: Path) -> str:
    """Describe what a step would ask of a language model; asks nothing and writes nothing.

    Args:
        step: one of STEPS.
        parameters: of the data graph.
        data_dir: the folder data/, where the steps before this one have run.
    """
    from components import llm
    from components.data.egoexo_con import step as egoexo_con
    from components.data.egoit import step as egoit
    from components.data.egore import step as egore

    requests_of = {"egoit": egoit.requests, "egore": egore.requests, "egoexo_con": egoexo_con.requests}
    if step not in requests_of:
        return f"{step} asks nothing of a language model; steps that do are {sorted(requests_of)}"
    settings = llm.settings_of(parameters.llm.model_dump())
    asked = requests_of[step](parameters, data_dir)
    planned = llm.plan(asked, settings, ledger_path=data_dir / f"ledger/{step}.jsonl")
    return f"{step} with llm.generator {settings.generator}: {planned}"


def require_inputs(step: str, data_dir: Path) -> None:
    """Make sure that the steps whose tables a step reads have run.

    Raises:
        ValueError: one has not; names the first file that is missing.
    """
    for needed in INPUTS[step]:
        path = data_dir / needed / "rejects.parquet"  # all of these steps write one
        if not path.is_file():
            raise ValueError(
                f"step {step!r} reads data/{needed}/, and {path} is missing: run `dvc repro {step}`, which makes all "
                f"that the step reads, or the step {needed!r} before it"
            )


def _check_row_counts(step: str, row_counts: list[tuple[str, int, int, int]]) -> None:
    """Make sure that a step dropped no row without a reason.

    Raises:
        ValueError: rows that came in are neither rows that went out nor rejects.
    """
    for what, rows_in, rows_out, rejected in row_counts:
        if rows_in != rows_out + rejected:
            raise ValueError(
                f"step {step!r}, {what}: {rows_in} rows came in, {rows_out} went out and {rejected} were rejected; "
                f"{rows_in - rows_out - rejected} are not accounted for: each row is to go out or to data/{step}/"
                f"rejects.parquet; mend components/data/{step}"
            )


def run(
    step: str, parameters: params.Data, data_dir: Path, *, check_contracts: Callable[[str, Path], None] = beside.check
) -> dict:
    """Run one step and check the contracts of its tables.

    Args:
        step: one of STEPS.
        parameters: of the data graph.
        data_dir: the folder data/, where the steps before this one have run.
        check_contracts: given `step` and `data_dir`.

    Returns:
        What the step counted.

    Raises:
        ValueError: an input is wrong, or an expectation on the tables failed (components/data/contracts/validate.py).
    """
    from components.data import check, vanished

    if step == "annotations":
        check.require(parameters, data_dir.resolve().parent)
    made = _run_of(step)(parameters, data_dir)
    _check_row_counts(step, made["row_counts"])
    vanished.require(step, made["row_counts"], data_dir)
    if step == "annotations":
        most = parameters.annotations.most_rejected_share
        check.require_rows(made["row_counts"], data_dir / "annotations/rejects.parquet", most_rejected_share=most)
    check_contracts(step, data_dir)
    return made["counts"]


def show_sources(parameters: params.Data, project: Path) -> bool:
    """Print what was found of each source, and what dvc.yaml lacks; return whether all is well.

    Args:
        parameters: of the data graph.
        project: folder that paths of sources are relative to.
    """
    from rich.console import Console

    from components.data import check, graph_deps

    found = check.findings(parameters, project)
    lacking = graph_deps.undeclared(parameters, project)
    console = Console()
    console.print(check.shown(found))
    console.print(*lacking, sep="\n", soft_wrap=True)
    return bool(found) and not lacking and not any(one.problem for one in found)


def main() -> None:
    """Read the parameters and run one step on data/ below the working directory."""
    parser = argparse.ArgumentParser(prog="python -m components.data", description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=(*STEPS, "check"))
    parser.add_argument("--params", type=Path, required=True, help="params/data.yaml")
    parser.add_argument("--dry-run", action="store_true", help="only say what the step would ask of a language model")
    arguments = parser.parse_args()
    from components.records.step_guard import guarded  # pyarrow comes with it, which --help need not load

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.monotonic()
    # by default, a sixth of a small step goes into looking for garbage among modules and rows, which make none
    gc.set_threshold(50_000, 50, 50)
    try:
        parameters = params.load(arguments.params, params.Data)
        if arguments.step == "check":
            sys.exit(not show_sources(parameters, Path.cwd()))
        require_inputs(arguments.step, Path("data"))
        if arguments.dry_run:
            log.info("%s", dry_run(arguments.step, parameters, Path("data")))
            return
        with beside.checking() as check_contracts, guarded(arguments.step, Path.cwd()):
            counts = run(arguments.step, parameters, Path("data"), check_contracts=check_contracts)
    except ValueError as error:
        # for people: the message says where to mend it, a traceback would bury it
        log.error("%s", error)
        sys.exit(1)
    log.info("%s in %.1f s: %s", arguments.step, time.monotonic() - started, json.dumps(counts))


if __name__ == "__main__":
    main()
