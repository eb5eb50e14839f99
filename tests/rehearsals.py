"""A project that shares the code of this checkout, in which recipes are rehearsed by the command a person types."""

import json
import subprocess
import sys
from pathlib import Path

from tests.flows import stand_in

ROOT = Path(__file__).parents[1]
LINKED = ("components", "flows", "infra", "params", "dvc.yaml", ".dvcignore")
WORLD = Path("rehearsals/world/data")  # of every layout, made by the first rehearsal


def build(project: Path) -> None:
    """Write the project and rehearse its cheapest recipe, which makes the data of all others."""
    project.mkdir()
    for name in LINKED:
        (project / name).symlink_to(ROOT / name)
    done, _ = rehearse(project, "egovlm", "--zero-stage", "3")
    assert done.returncode == 0, done.stderr[-3000:]


def rehearse(project: Path, recipe: str, *more: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    """Rehearse a recipe; return the process, and rehearsal.json, empty where there is none."""
    told = project / "rehearsals/world/tables" / Path(recipe).stem / "rehearsal.json"
    told.unlink(missing_ok=True)
    words = [sys.executable, "-m", "flows.pipeline", "--recipe", recipe, "--rehearse", *more]
    done = subprocess.run(words, cwd=project, env=stand_in.environment(project), capture_output=True, text=True)
    return done, json.loads(told.read_text()) if told.is_file() else {}
