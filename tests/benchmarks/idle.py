"""What orchestration costs: a pipeline of stages that do nothing, and `make demo` again where nothing changed.

Run as: python -m tests.benchmarks.idle [--before FOLDER] [--repeat 3]

The project is the stand-in of tests/flows with as many data steps as dvc.yaml has, the first of which leaves as many
files as the miniature world does; DVC, MLflow and Prefect are real, training, evaluation and page stand-ins that end at
once. MLflow and Prefect find the tables of their databases made, which is done once in a project and once on a machine.
The first run is measured beside a bare chain of the same processes, one after another, which keeps no record, finds
nothing stale and registers no model; what comes after it beside the programs of another checkout. CPU seconds are of
the whole tree of processes, servers included; wall seconds mean something on an idle machine only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from flows import data_graph
from tests.benchmarks import fetch, rows
from tests.benchmarks.graph import RAW_FILES
from tests.flows import stand_in

STEPS = 13
MAKE = "import sys; from pathlib import Path; from tests.flows import stand_in; stand_in.make(Path(sys.argv[1]))"
OURS = "import sys; from flows.cli import main; sys.exit(main(sys.argv[1:]))"
# without a build of the project: its own code, wherever the environment finds another
NEW = (["-c", OURS, "doctor"], ["-c", OURS, "run"])
PROVENANCE = dict.fromkeys(("stage_key", "code_digest", "git_commit", "recipe_file", "overrides", "dataset_digest"), "")
OLD = (["-m", "flows.doctor"], ["-m", "flows.pipeline"])


def project(folder: Path, checkout: Path) -> Path:
    """Write the stand-in project of a checkout, with the data graph of this benchmark."""
    folder.mkdir()
    subprocess.run([sys.executable, "-c", MAKE, str(folder)], cwd=checkout, check=True, capture_output=True)
    for number in range(RAW_FILES):
        path = folder / f"seeds/{number % 100}/{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    names = ["raw", *(f"step{number}" for number in range(STEPS - 3)), "dataset", "frames"]
    stages = {"world": stand_in.copying("seeds", "data/raw")}
    for before, name in zip(names, names[1:], strict=False):
        # one file goes on from step to step, the world's stay in the first
        source = f"data/{before}/0/0.txt" if before == "raw" else f"data/{before}"
        target = f"data/{name}/0.txt" if before == "raw" else f"data/{name}"
        stages[name] = stand_in.copying(source, target, f"data/{name}")
    stand_in.write_yaml(folder / "dvc.yaml", {"stages": stages})
    return folder


def run(folder: Path, programs: tuple[list[str], ...]) -> str:
    """Run the programs of `make demo` and give what the last one printed."""
    env = stand_in.environment(folder)
    env.pop("PYTHONDONTWRITEBYTECODE")  # an installed project is compiled
    for words in programs:
        done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True)
        # what the doctor finds wrong is of this machine, not of the project
        assert done.returncode == 0 or words[-1].endswith("doctor"), done.stdout + done.stderr
    return done.stdout


def chain(folder: Path) -> None:
    """Run what the pipeline runs, bare: the commands of the data steps, every training stage, each evaluation."""
    env = stand_in.environment(folder)
    env.pop("PYTHONDONTWRITEBYTECODE")
    graph = YAML(typ="safe").load((folder / "dvc.yaml").read_text())["stages"]
    commands = [["sh", "-c", graph[name]["cmd"]] for name in data_graph.stage_names(folder / "dvc.yaml")]
    for stage in stand_in.STAGES:
        name, output = stage["name"], f"checkpoints/bare-{stage['name']}"
        parents = {part: f"checkpoints/bare-{parent}" for part, parent in stage.get("parents", {}).items()}
        words = ["--recipe", stand_in.RECIPE, "--stage", name, "--parents", json.dumps(parents), "--data", "data"]
        words += ["--output", output, "--run-id", "bare", "--provenance", json.dumps(PROVENANCE)]
        commands.append([sys.executable, "-m", "components.train", *words])
        if "evaluate" not in stage:
            words = ["--checkpoint", output, "--data", "data", "--params", "params/eval.yaml"]
            commands.append([sys.executable, "-m", "components.evaluation", *words])
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def timed(work: Callable[[], object]) -> tuple[float, float, object]:
    """Give CPU and wall seconds of some work, and its result."""
    began_s = time.perf_counter()
    cpu_s, made = fetch.cpu_s(work)
    return cpu_s, time.perf_counter() - began_s, made


def measure(folder: Path, programs: tuple[list[str], ...], repeat: int) -> dict[str, float]:
    """Give CPU and wall seconds of the first run, and the least of some that have nothing to do."""
    first_cpu_s, first_wall_s, _ = timed(lambda: run(folder, programs))
    found = []
    for _ in range(repeat):
        *seconds, told = timed(lambda: run(folder, programs))
        assert "0 stages ran" in told, told
        found.append(seconds)
    cpu_s, wall_s = map(min, zip(*found, strict=True))
    first = {"first_cpu_s": first_cpu_s, "first_wall_s": first_wall_s}
    return first | {"cpu_s": cpu_s, "wall_s": wall_s, "load": os.getloadavg()[0]}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.idle", description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="top folder of the checkout to compare with")
    parser.add_argument("--repeat", type=int, default=3, help="runs with nothing to do (default: %(default)s)")
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        bare_cpu_s, bare_wall_s, _ = timed(partial(chain, project(Path(name, "bare"), stand_in.ROOT)))
        ours = measure(project(Path(name, "ours"), stand_in.ROOT), NEW, given.repeat)
        before = given.before and project(Path(name, "before"), given.before.resolve())
        theirs = measure(before, OLD, given.repeat) if before else None
    bare = {"cpu_s": bare_cpu_s, "wall_s": bare_wall_s}
    print(json.dumps({"ours": ours, "before": theirs, "bare chain": bare}, indent=2))
    what = f"demo: again with nothing changed, {STEPS} data steps"
    noop = f"demo: {STEPS} data steps, {len(stand_in.STAGES)} stages that do nothing, against a bare chain of processes"
    made = [
        rows.row(f"{what}, CPU", ours["cpu_s"], theirs and theirs["cpu_s"], unit="CPU s"),
        rows.row(f"{noop}, CPU", ours["first_cpu_s"], bare_cpu_s, unit="CPU s"),
    ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
