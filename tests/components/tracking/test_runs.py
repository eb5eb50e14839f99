import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from components import tracking
from components.tracking.store import client
from tests.components.tracking.many_writers import check_written_at_once

METRICS = {
    "qa/accuracy": {
        "value": 0.8, "lo": 0.7, "hi": 0.9, "chance": 0.25, "n": 90, "strongest": "grey", "learned": True,
        "controls": {name: {"value": value, "n": 50, "difference": 0.4, "lo": 0.3, "hi": 0.5}
                     for name, value in (("grey", 0.3), ("guesser", 0.2))},
    }
}  # fmt: skip


@pytest.fixture
def metrics_json(tmp_path) -> Path:
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    return tmp_path / "metrics.json"


def open_stage(parent: str, key: str = "k", **more) -> str:
    return tracking.open_stage_run(
        parent,
        "stage1",
        params={"steps": 3, "lora": {"rank": 8}} | more,
        tags={"stage_key": key, "code_digest": "c", "git_commit": "abc", "checkpoint": "checkpoints/x"},
        dataset_digest="f" * 64,
    )


def test_the_default_store_is_a_database_at_the_root(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    root = Path(__file__).resolve().parents[3]
    assert tracking.tracking_uri() == f"sqlite:///{root}/mlflow.db"


def test_a_stage_run_carries_what_it_was_made_from(store):
    parent = tracking.open_pipeline_run("miniature", tags={"recipe": "miniature"})
    run = client().get_run(open_stage(parent))
    assert run.data.params == {"steps": "3", "lora.rank": "8"}
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["mlflow.source.git.commit"] == run.data.tags["git_commit"] == "abc"
    assert run.data.tags["dataset_digest"] == "f" * 64
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36
    assert run.info.artifact_uri.startswith((store / "mlartifacts").as_uri())


def test_stages_that_start_at_once_share_the_dataset():
    parent = tracking.open_pipeline_run("miniature", tags={})
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: open_stage(parent, key=str(number)), range(8)))
    assert len({client().get_run(run).inputs.dataset_inputs[0].dataset.digest for run in runs}) == 1


def test_more_parameters_than_one_call_takes():
    parent = tracking.open_pipeline_run("p", tags={})
    run_id = open_stage(parent, **{f"p{number}": number for number in range(250)})
    assert len(client().get_run(run_id).data.params) == 252


def test_only_a_finished_run_of_the_same_key_is_reused():
    parent = tracking.open_pipeline_run("p", tags={})
    run_id = open_stage(parent, "key-a")
    assert tracking.finished_stage("key-a") is None
    tracking.finish(run_id, "FAILED")
    assert tracking.finished_stage("key-a") is None
    tracking.finish(second := open_stage(parent, "key-a"), "FINISHED")
    assert tracking.finished_stage("key-a") == second
    assert tracking.finished_stage("key-b") is None


def test_the_last_tags_are_of_finished_pipelines_of_the_same_recipe_only():
    runs = (("one", "FINISHED", "a.yaml"), ("two", "FAILED", "a.yaml"), ("three", "FINISHED", "b.yaml"))
    for digest, status, recipe in runs:
        run_id = tracking.open_pipeline_run("p", tags={"recipe": recipe})
        tracking.set_tags(run_id, {"dataset_digest": digest})
        tracking.finish(open_stage(run_id), "FINISHED")
        tracking.finish(run_id, status)
    assert tracking.last_pipeline_tags("a.yaml")["dataset_digest"] == "one"
    assert tracking.last_pipeline_tags("b.yaml")["dataset_digest"] == "three"
    assert tracking.last_pipeline_tags("c.yaml") is None


def test_an_evaluation_is_logged_under_comparable_names_and_read_back(metrics_json):
    run_id = open_stage(tracking.open_pipeline_run("p", tags={}))
    assert tracking.evaluation(run_id) is None
    tracking.log_evaluation(run_id, metrics_json)
    assert client().get_run(run_id).data.metrics == {
        "qa/accuracy": 0.8,
        "qa/accuracy.grey": 0.3,
        "qa/accuracy.guesser": 0.2,
        "qa/accuracy.chance": 0.25,
        "qa/accuracy.lo": 0.7,
        "qa/accuracy.hi": 0.9,
    }
    assert tracking.evaluation(run_id) == METRICS


def test_what_is_not_known_is_left_out_of_the_metrics(tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"qa/accuracy": METRICS["qa/accuracy"] | {"lo": None, "hi": None, "reason": "why"}}))
    run_id = open_stage(tracking.open_pipeline_run("p", tags={}))
    tracking.log_evaluation(run_id, path)
    logged = {"qa/accuracy", *(f"qa/accuracy.{name}" for name in ("chance", "grey", "guesser"))}
    assert set(client().get_run(run_id).data.metrics) == logged
    assert tracking.evaluation(run_id)["qa/accuracy"]["reason"] == "why"


def test_a_reused_stage_stands_in_the_new_pipeline_run_with_its_scores(metrics_json):
    trained = open_stage(tracking.open_pipeline_run("first", tags={}), "key-r")
    tracking.log_evaluation(trained, metrics_json)
    tracking.finish(trained, "FINISHED")
    second = tracking.open_pipeline_run("second", tags={})
    light = tracking.link_reused(second, "stage1", trained)
    run = client().get_run(light)
    assert run.data.tags["reused_from"] == trained and run.data.tags["mlflow.parentRunId"] == second
    assert run.data.metrics["qa/accuracy"] == 0.8 and run.info.status == "FINISHED"
    assert tracking.finished_stage("key-r") == trained


def test_artifacts_of_a_file_and_of_a_folder(tmp_path, store):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a")
    run_id = tracking.open_pipeline_run("p", tags={})
    tracking.log_artifacts(run_id, tmp_path / "folder", "checkpoint")
    tracking.log_artifacts(run_id, tmp_path / "folder" / "a.txt", "report")
    kept = store / "mlartifacts" / run_id / "artifacts"
    assert (kept / "checkpoint" / "a.txt").read_text() == (kept / "report" / "a.txt").read_text() == "a"


def test_describe_leads_to_the_ui(monkeypatch):
    run_id = tracking.open_pipeline_run("miniature", tags={"recipe": "r"})
    info = tracking.describe(run_id)
    assert (info.name, info.status, info.end_s, info.tags["recipe"]) == ("miniature", "RUNNING", None, "r")
    experiment = client().get_run(run_id).info.experiment_id
    assert info.url == f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}"
    tracking.finish(run_id, "FINISHED")
    assert tracking.describe(run_id).end_s >= info.start_s


@pytest.fixture
def own_store(tmp_path, monkeypatch, store):
    """A copy of the tests' database, whose experiment may be broken."""
    tracking.open_pipeline_run("p", tags={})
    shutil.copy(store / "mlflow.db", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return client()


def test_a_deleted_experiment_is_told_with_the_command_that_restores_it(own_store, tmp_path):
    found = own_store.get_experiment_by_name("egoflow").experiment_id
    own_store.delete_experiment(found)
    remedy = f"MLFLOW_TRACKING_URI=sqlite:///{tmp_path}/mlflow.db mlflow experiments restore -x {found}"
    for ask in (lambda: tracking.open_pipeline_run("p", tags={}), lambda: tracking.finished_stage("k")):
        with pytest.raises(ValueError, match="has been deleted") as told:
            ask()
        assert remedy in str(told.value)
    own_store.restore_experiment(found)
    assert tracking.open_pipeline_run("p", tags={})


def test_a_renamed_experiment_is_told_and_no_second_one_is_begun(own_store):
    found = own_store.get_experiment_by_name("egoflow").experiment_id
    own_store.rename_experiment(found, "old runs")
    with pytest.raises(ValueError, match="renamed to 'old runs'.*\n.*experiments rename -x .* --new-name egoflow"):
        tracking.finished_stage("k")
    assert own_store.get_experiment_by_name("egoflow") is None
    own_store.delete_experiment_tag(found, "egoflow")  # the other remedy: to begin anew
    assert client().get_run(tracking.open_pipeline_run("p", tags={})).info.experiment_id != found


def test_a_dataset_that_another_process_adds_at_the_same_time_is_the_same_one(monkeypatch):
    parent, real, tried = tracking.open_pipeline_run("p", tags={}), MlflowClient.log_inputs, []

    def refused_once(self, run_id: str, datasets: list) -> None:
        tried.append(run_id)
        if len(tried) == 1:
            raise MlflowException("UNIQUE constraint failed: datasets.name", error_code=BAD_REQUEST)
        real(self, run_id, datasets)

    monkeypatch.setattr(MlflowClient, "log_inputs", refused_once)
    run_id = open_stage(parent)
    assert tried == [run_id] * 2 and client().get_run(run_id).inputs.dataset_inputs


@pytest.mark.long
def test_eight_processes_begin_on_one_database_that_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    check_written_at_once(8, tmp_path)
