"""Runs in PostgreSQL and artifacts in S3, named by the environment alone, against real servers."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from components import tracking
from components.tracking.experiment import ARTIFACTS, experiment
from components.tracking.store import client
from tests.components.tracking import servers
from tests.components.tracking.many_writers import check_written_at_once
from tests.components.tracking.test_registry import checkpoint_of, register, trained


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, str]]:
    with servers.postgresql() as runs, servers.s3() as access:
        yield {"MLFLOW_TRACKING_URI": runs, ARTIFACTS: "s3://runs/mlflow", **access}


@pytest.fixture
def environment(started, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow makes `mlruns` where it is given no place
    for name, value in started.items():
        monkeypatch.setenv(name, value)


@pytest.mark.long
def test_four_processes_begin_at_once_and_a_model_becomes_champion(environment, little_code, tmp_path):
    check_written_at_once(4, tmp_path)

    run_id = trained(tmp_path, 0.5)
    assert tracking.evaluation(run_id)["qa/accuracy"]["value"] == 0.7
    version = register(run_id, checkpoint_of(tmp_path / "checkpoint", "weights"), "served")
    tracking.record_decision("served", version, promoted=True, reason="better", numbers={"gain": 0.1})
    assert tracking.champion("served").checkpoint == str(tmp_path / "checkpoint")
    for uri in (f"runs:/{run_id}/model", "models:/served@champion"):
        weights = Path(mlflow.artifacts.download_artifacts(uri), "data/model/config.json")
        assert weights.read_text() == '"weights"'
    assert client().get_run(run_id).info.artifact_uri == f"s3://runs/mlflow/egoflow/{run_id}/artifacts"
    assert not list(tmp_path.glob("ml*"))


def test_a_database_without_a_place_for_artifacts_is_told_so(monkeypatch):
    monkeypatch.delenv(ARTIFACTS, raising=False)
    empty = SimpleNamespace(
        get_experiment_by_name=lambda _: None, search_experiments=lambda **_: [], create_experiment=None
    )
    with pytest.raises(ValueError, match=r"MLFLOW_DEFAULT_ARTIFACT_ROOT is not set.*//\*\*\*@db/runs"):
        experiment(empty, "postgresql://me:secret@db/runs")


def test_a_database_whose_library_is_not_there_names_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql+pymysql://me:secret@127.0.0.1/runs")
    with pytest.raises(ValueError, match=r"//\*\*\*@127.*is not installed: pymysql"):
        client()
