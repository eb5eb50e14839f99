"""A whole recipe with smaller numbers, in a folder of its own: what will run on GPUs for days runs here first.

`python -m flows.pipeline --recipe egovlm --rehearse` runs the flow of flows/pipeline.py itself in `rehearsals/`: a
project folder with the same code, smaller parameters and an MLflow database of its own, so that no real run, checkpoint
or champion is touched. Finished stages are reused, and a killed rehearsal goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from ruamel.yaml import YAML

from components import params, storage, tracking
from components.params.overrides import title
from components.params.strict import Strict
from components.train import interpreter, launch_command, plan
from components.train.rehearsal import outcome, smaller
from components.train.rehearsal.outcome import Outcome
from flows import data as data_graph
from flows import failure as failures
from flows import supervisor, tasks
from flows.summary import Finished

FOLDER = Path("rehearsals")
CODE = ("components", "flows", "infra")
PROGRAM_TIMEOUT_S = 3600.0
WIDTH = 150  # columns of what goes to a file
DATA_GRAPH = ("dvc.yaml", ".dvcignore")


@dataclass(frozen=True)
class Scale:
    """How small a rehearsal is.

    Args:
        data: "world" for a small world that writes every layout, "data" for the project's data as it is.
        ranks: training processes of every stage.
        zero_stage: of every stage; None keeps each stage's own.
    """

    data: Literal["world", "data"] = "world"
    ranks: int = 1
    zero_stage: int | None = None


def rehearse(pipeline: Callable[..., Finished | None], recipe: str, scale: Scale, overrides: Sequence[str] = ()) -> int:
    """Rehearse a recipe, print what came out, and keep it as Markdown, as JSON and in MLflow.

    Args:
        pipeline: the flow of flows/pipeline.py.
        recipe: a YAML file, or the bare name of one in params/recipes.
        scale: how small, and on which data.
        overrides: changes of the recipe, made before it gets smaller.

    Returns:
        0; or 1 where a stage failed or is missing, or none could be measured: what is known is printed all the same.

    Raises:
        ValueError: the recipe is wrong, or the project has no data; nothing was trained.
    """
    started_s = time.monotonic()
    whole = tasks.open_job(recipe, overrides, dataset=None, promotes=True)  # its mistakes come out first
    project = whole.root / FOLDER / scale.data
    rehearsed = _write(whole, project, scale)
    name = whole.recipe_path.name
    exported = project / "exported" / whole.recipe_path.stem
    finished = error = None
    exports: list[str] = []
    with _inside(project):
        try:
            finished = pipeline(f"params/recipes/{name}", refresh_data=scale.data == "world")
            assert finished is not None, "only a dry run returns nothing"
            _export(finished.stages[-1].checkpoint, exported)
            exports = sorted(path.name for path in exported.iterdir())
        except (RuntimeError, ValueError, OSError) as failure:
            error = failure
            failures.show(failure)
        result = rehearsed
        try:
            result = _measured(whole, name, rehearsed, project)
        except RuntimeError as failure:  # the other tables are better than none
            error = error or failure
            failures.show(failure)
        result = replace(
            result,
            decision=finished.decision.reason if finished else None,
            exported=exports,
            error=str(error) if error else None,
            seconds=time.monotonic() - started_s,
        )
        files = outcome.write(result, project / "tables" / Path(name).stem)
        failed = error is not None or bool(result.missing)
        _log(result.recipe, files, failed=failed)
    # a pipe has no width, and folded numbers are hard to read
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    for each in outcome.shown(result):
        console.print(each, soft_wrap=isinstance(each, str), highlight=False)
    console.print("\n".join(f"written   {path.relative_to(whole.root)}" for path in files), soft_wrap=True)
    return 1 if failed else 0


def _write(whole: tasks.Job, project: Path, scale: Scale) -> Outcome:
    """Write the project folder of a rehearsal; return what is known of the outcome before it runs."""
    root = whole.root
    data = params.load(root / tasks.DATA_PARAMS, params.Data)
    evaluation = smaller.evaluation(params.load(root / tasks.EVALUATION, params.Eval), on=scale.data)
    (project / "params" / "recipes").mkdir(parents=True, exist_ok=True)
    for name in CODE:
        _link(root / name, project / name)
    for name in DATA_GRAPH:
        shutil.copy(root / name, project)
    if scale.data == "data":
        data_graph.digest()  # or says how to make it
        shutil.copy(root / "dvc.lock", project)
        _link(root / tasks.DATA, project / tasks.DATA)
    else:
        data = smaller.data(data)
        if not (project / ".dvc").is_dir():
            subprocess.run([*data_graph.DVC, "init", "--no-scm", "--quiet"], cwd=project, check=True)
    _dump(data, project / tasks.DATA_PARAMS)
    made = root / FOLDER / "bases" / f"{whole.recipe_path.stem}.json"
    _program("bases", whole, project, made)
    bases = [outcome.TinyBase(**base) for base in json.loads(made.read_text())]
    small = smaller.recipe(
        whole.recipe,
        bases={base.base: Path(base.folder) for base in bases},
        frames=data.frames,
        ranks=scale.ranks,
        zero_stage=scale.zero_stage,
        has_gpus=bool(launch_command.gpus()),
        on=scale.data,
    )
    _dump(evaluation, project / tasks.EVALUATION)
    _dump(small, project / "params" / "recipes" / whole.recipe_path.name)
    return outcome.Outcome(
        title(whole.recipe.name, whole.overrides),
        scale.data,
        stages=(),
        missing=[stage.name for stage in small.stages],
        bases=bases,
        smaller=smaller.changes(whole.recipe, small),
    )


def _link(there: Path, here: Path) -> None:
    if not here.is_symlink():
        here.symlink_to(os.path.relpath(there, here.parent))  # it stays right where the checkout is moved


def _dump(block: Strict, path: Path) -> None:
    with path.open("w") as file:
        YAML().dump(block.model_dump(mode="json"), file)


@contextlib.contextmanager
def _inside(project: Path) -> Generator[None]:
    """Work in a rehearsal's folder, with its own MLflow and without the storage of real checkpoints."""
    before = dict(os.environ)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{project / 'mlflow.db'}"
    os.environ.pop(storage.URI, None)
    try:
        with contextlib.chdir(project):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _export(checkpoint: Path, output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(exist_ok=True)
    supervisor.supervise(
        [
            interpreter.python(),
            "-m",
            "components.models.export",
            "--checkpoint",
            str(checkpoint),
            "--output",
            str(output),
        ],
        launch_command.environment(Path.cwd(), threads=tasks.cores(), python=interpreter.python()),
        log_path=tasks.LOGS / f"{checkpoint.name}-export.log",
        timeout_s=PROGRAM_TIMEOUT_S,
    )


def _program(what: str, whole: tasks.Job, project: Path, output: Path, *more: str) -> None:
    """Run `components.train.rehearsal` in the Python that trains."""
    recipe, log = whole.root / whole.recipe_path, project / tasks.LOGS / f"rehearsal-{what}.log"
    words = ["--recipe", str(recipe), "--params", str(project / tasks.DATA_PARAMS), "--output", str(output), *more]
    supervisor.supervise(
        [interpreter.python(), "-m", "components.train.rehearsal", what, *whole.overrides, *words],
        launch_command.environment(whole.root, threads=tasks.cores(), python=interpreter.python()),
        log_path=log,
        timeout_s=PROGRAM_TIMEOUT_S,
        cwd=whole.root,
    )


def _measured(whole: tasks.Job, name: str, known: Outcome, project: Path) -> Outcome:
    """Complete an outcome by the stages that finished."""
    small = f"params/recipes/{name}"
    try:
        job = tasks.open_job(small, dataset=data_graph.digest())
    except ValueError:  # the data was not made
        return known
    finished = {one.name: job.checkpoint(one.name) for one in job.recipe.stages}
    finished = {stage: folder for stage, folder in finished.items() if plan.is_finished(folder)}
    made = project / "tables" / whole.recipe_path.stem / "measured.json"
    more = ["--small", str(project / small), "--data", str(project / tasks.DATA)]
    more += ["--evaluation", str(whole.root / tasks.EVALUATION)]
    _program("measure", whole, project, made, *more, "--checkpoints", json.dumps(finished, default=str))
    stages = outcome.read_measured(made)
    return replace(known, stages=stages, missing=[name for name in known.missing if name not in finished])


def _log(recipe: str, files: list[Path], *, failed: bool) -> None:
    run_id = tracking.open_pipeline_run(f"rehearsal {recipe}", tags={"kind": "rehearsal"})
    for path in files:
        tracking.log_artifacts(run_id, path, "rehearsal")
    tracking.finish(run_id, "FAILED" if failed else "FINISHED")
