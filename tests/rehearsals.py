"""A project that shares the code of this checkout, in which recipes are rehearsed by the command a person types."""

import json
import subprocess
import sys
from pathlib import Path

from components.train import interpreter
from tests.flows import stand_in

ROOT = Path(__file__).parents[1]
LINKED = ("components", "flows", "infra", "params", "dvc.yaml", ".dvcignore")
# `python -m flows.pipeline`, whose processes are started by the interpreter that is named first
FLOW = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("flows.pipeline", run_name="__main__", alter_sys=True)
"""
WORLD = Path("rehearsals/world/data")  # of every layout, made by the first rehearsal


def build(project: Path, python: Path) -> None:
    """Write the project and rehearse its cheapest recipe, which makes the data of all others.

    The flow, training, evaluation and export are real processes. What was told of it is kept in first.json.

    Args:
        project: the folder to write.
        python: interpreter of DVC and of the data steps, whose real processes tests/components/data/test_graph.py has.
    """
    project.mkdir()
    for name in LINKED:
        (project / name).symlink_to(ROOT / name)
    done, told = rehearse(project, "egovlm", "--zero-stage", "3", python=python, trains=Path(sys.executable))
    assert done.returncode == 0, done.stderr[-3000:]
    (project / "first.json").write_text(json.dumps(told))


def rehearse(
    project: Path, recipe: str, *more: str, python: Path | None = None, trains: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], dict]:
    """Rehearse a recipe; return the process, and rehearsal.json, empty where there is none.

    Args:
        project: as `build` wrote it.
        recipe: a file, or its bare name.
        more: words of the command.
        python: interpreter of all that the flow starts; None for this one.
        trains: interpreter that trains and evaluates; None for `python`.
    """
    told = project / "rehearsals/world/tables" / Path(recipe).stem / "rehearsal.json"
    told.unlink(missing_ok=True)
    flow = ["-c", FLOW, str(python)] if python else ["-m", "flows.pipeline"]
    words = [sys.executable, *flow, "--recipe", recipe, "--rehearse", *more]
    trains_by = {interpreter.VARIABLE: str(trains)} if trains else {}
    environment = stand_in.environment(project, **trains_by)
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True)
    return done, json.loads(told.read_text()) if told.is_file() else {}
