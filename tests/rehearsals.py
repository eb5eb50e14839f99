"""A project that shares the code of this checkout, in which recipes are rehearsed by the command a person types."""

import json
import subprocess
import sys
from pathlib import Path

from components.train import interpreter
from tests.flows import stand_in

ROOT = Path(__file__).parents[1]
LINKED = ("components", "flows", "infra", "params", "dvc.yaml", ".dvcignore")
WORLD = Path("rehearsals/world/data")  # of every layout, made by the first rehearsal


def build(project: Path) -> None:
    """Write the project and rehearse its cheapest recipe, which makes the data of all others, in real processes.

    What was told of it is kept in first.json.
    """
    project.mkdir()
    for name in LINKED:
        (project / name).symlink_to(ROOT / name)
    done, told = rehearse(project, "egovlm", "--zero-stage", "3")
    assert done.returncode == 0, done.stderr[-3000:]
    (project / "first.json").write_text(json.dumps(told))


def rehearse(
    project: Path, recipe: str, *more: str, python: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], dict]:
    """Rehearse a recipe; return the process, and rehearsal.json, empty where there is none.

    Args:
        project: as `build` wrote it.
        recipe: a file, or its bare name.
        more: words of the command.
        python: interpreter that trains and evaluates; None for this one.
    """
    told = project / "rehearsals/world/tables" / Path(recipe).stem / "rehearsal.json"
    told.unlink(missing_ok=True)
    words = [sys.executable, "-m", "flows.pipeline", "--recipe", recipe, "--rehearse", *more]
    trains = {interpreter.VARIABLE: str(python)} if python else {}
    environment = stand_in.environment(project, **trains)
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True)
    return done, json.loads(told.read_text()) if told.is_file() else {}
