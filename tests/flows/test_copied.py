"""A project folder that was copied or moved goes on in its new place, and writes nowhere else; MLflow is real."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import tracking
from components.report.stage import read_stage
from components.tracking.store import client
from flows import evaluate, promote, tasks, train
from flows.tasks import TrainedStage
from tests.flows import stand_in

pytestmark = pytest.mark.slow
DATASET, OTHER = "7" * 60, "8" * 60


def bring_up_to_date(root: Path, monkeypatch: pytest.MonkeyPatch, dataset: str) -> tuple[list[TrainedStage], str]:
    """Train, evaluate, promote and read for the report what is not yet done; give the stages and the decision."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    job = tasks.open_job(stand_in.RECIPE, dataset=dataset)
    with disable_run_logger(), tasks.pipeline_run("pipeline", job) as run_id, tasks.stopping() as stop:
        done = [train.train_stage(job, stage, run_id, stop) for stage in job.recipe.stages]
        for stage in done[2:]:
            evaluate.evaluate_stage(job, stage, run_id, stop, threads=1)
        decision = promote.promote_stage(job, done[-1], stop)
    for stage in done[2:]:
        assert read_stage(stage.name, stage.checkpoint, stage.run_id, stage.how == "reused").metrics
        assert tracking.evaluation(stage.run_id), "the artifact is found where the folder is now"
    return done, decision.reason


def state(root: Path) -> dict[str, tuple[int, int]]:
    """Give the size and the time of change of every file and folder."""
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}


def told_by(root: Path) -> str:
    """Give all that is recorded of a project: its MLflow database and the records of its checkpoints."""
    with closing(sqlite3.connect(root / "mlflow.db")) as store:
        return "\n".join([*store.iterdump(), *(path.read_text() for path in root.glob("checkpoints/*/stage.json"))])


def test_a_copy_and_then_a_moved_project_work_and_write_only_into_themselves(tmp_path: Path, monkeypatch):
    (tmp_path / "the original").mkdir()
    original, copy, moved = stand_in.make(tmp_path / "the original"), tmp_path / "copy", tmp_path / "else/where"
    done, _ = bring_up_to_date(original, monkeypatch, DATASET)
    assert [stage.how for stage in done] == ["ran"] * 4
    [second] = original.glob("checkpoints/second-*/stage.json")
    assert json.loads(second.read_text())["parents"] == {"all": f"checkpoints/{done[2].checkpoint.name}"}
    champion = tracking.champion("egoflow")
    assert champion and champion.checkpoint == f"checkpoints/{done[3].checkpoint.name}"

    before = state(original)
    shutil.copytree(original, copy, symlinks=True)
    again, decision = bring_up_to_date(copy, monkeypatch, DATASET)
    assert [stage.how for stage in again] == ["reused"] * 4 and "is the champion already" in decision
    other, _ = bring_up_to_date(copy, monkeypatch, OTHER)  # two stages are trained, and put before the champion
    assert [stage.how for stage in other] == ["reused", "reused", "ran", "ran"]
    assert state(original) == before
    assert original.name not in told_by(copy) and str(copy) in told_by(copy)
    for stage in (*again, *other):
        assert stage.checkpoint.is_relative_to(copy)
        assert client().get_run(stage.run_id).info.artifact_uri.startswith((copy / "mlartifacts").as_uri())

    moved.parent.mkdir()
    copy.rename(moved)
    last, _ = bring_up_to_date(moved, monkeypatch, OTHER)
    assert [stage.how for stage in last] == ["reused"] * 4
    assert not copy.exists() and str(copy) not in told_by(moved)
