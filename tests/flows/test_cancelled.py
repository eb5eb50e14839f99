"""What a cancelled flow run leaves in MLflow and in Prefect."""

from pathlib import Path

import pytest

from components import tracking
from flows import supervisor, tasks
from tests.flows import stand_in


def test_a_signal_ends_the_runs_of_mlflow_before_the_stage_has_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(stand_in.make(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    job = tasks.open_job(stand_in.RECIPE, dataset="d" * 64)

    class Terminated(BaseException):
        """What Prefect raises in the main thread of a cancelled run."""

    with pytest.raises(Terminated), tasks.pipeline_run("train", job) as run_id:
        stage = tracking.open_stage_run(run_id, "first", params={}, tags={}, dataset_digest=None)
        raise Terminated
    assert [tracking.describe(one).status for one in (run_id, stage)] == ["KILLED"] * 2


def test_a_stopped_stage_is_cancelled_in_prefect_and_raises_what_stopped_it():
    def stopped() -> None:
        raise supervisor.StageStopped("the user said so")

    state = tasks.as_task(stopped, "train first", retries=1).fn()
    assert state.is_cancelled() and state.message == "the user said so"
    with pytest.raises(supervisor.StageStopped, match="the user said so"):
        state.result()
