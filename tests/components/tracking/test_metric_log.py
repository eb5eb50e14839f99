import logging
import time

import pytest

from components import tracking
from components.tracking import history
from components.tracking.store import client


@pytest.fixture
def run_id() -> str:
    return tracking.open_pipeline_run("p", tags={})


def points(run_id: str, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client().get_metric_history(run_id, name)]


def test_curves_reach_the_spool_at_once_and_mlflow_on_close(run_id, tmp_path):
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=60)
    log.log(1, {"loss": 2.0, "lr": 1e-3})
    assert history.read(tmp_path / "history.jsonl")[0][0]["loss"] == 2.0
    log.log(2, {"loss": 1.5})
    assert log.close() == 0
    assert points(run_id, "loss") == [(1, 2.0), (2, 1.5)] and points(run_id, "lr") == [(1, 1e-3)]


def test_batches_leave_while_training_runs(run_id, tmp_path):
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=0.05)
    log.log(1, {"loss": 2.0})
    deadline = time.monotonic() + 20
    while not points(run_id, "loss") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert points(run_id, "loss") == [(1, 2.0)]
    log.close()


def test_files_reach_the_run_beside_the_curves(run_id, tmp_path):
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=60)
    for step in (2, 4):
        page = tmp_path / f"step-{step}.html"
        page.write_text(f"<p>{step}</p>")
        log.attach(page, "rollouts")
    assert log.close() == 0
    found = [artifact.path for artifact in client().list_artifacts(run_id, "rollouts")]
    assert found == ["rollouts/step-2.html", "rollouts/step-4.html"]


def test_a_file_that_cannot_be_sent_is_named_and_sent_by_the_flow(run_id, tmp_path, monkeypatch, caplog):
    home = tracking.tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    page = tmp_path / "step-2.html"
    page.write_text("<p>2</p>")
    with caplog.at_level(logging.WARNING, "components.tracking.metric_log"):
        log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=60)
        log.attach(page, "rollouts")
        assert log.close() == 0
    told = caplog.records[-1].message
    assert "0 records and 1 files did not reach" in told and str(page) in told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home)
    tracking.send_rest(tmp_path)
    assert [artifact.path for artifact in client().list_artifacts(run_id, "rollouts")] == ["rollouts/step-2.html"]


def test_more_values_than_one_call_takes(run_id, tmp_path):
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=60)
    for step in range(250):
        log.log(step, {name: step for name in "abcde"})
    assert log.close() == 0
    assert len(points(run_id, "a")) == len(points(run_id, "e")) == 250


def test_an_unreachable_server_never_stops_training(run_id, tmp_path, monkeypatch, caplog):
    home = tracking.tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    spool = tmp_path / "history.jsonl"
    with caplog.at_level(logging.WARNING, "components.tracking.metric_log"):
        log = tracking.MetricLog(run_id, spool, interval_s=0.05)
        log.log(1, {"loss": 2.0})
        time.sleep(0.4)
        log.log(2, {"loss": 1.0})
        assert log.close() == 2
    assert [record.message.split(" at ")[0] for record in caplog.records].count("no MLflow") == 1
    assert "2 records and 0 files did not reach" in caplog.records[-1].message
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home)
    for _ in range(2):  # what the flow sends when the stage has ended; nothing is sent twice
        tracking.send_rest(tmp_path)
        assert points(run_id, "loss") == [(1, 2.0), (2, 1.0)]
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]


def test_a_server_that_comes_back_gets_everything_once(run_id, tmp_path, monkeypatch):
    home = tracking.tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=0.05)
    log.log(1, {"loss": 2.0})
    time.sleep(0.3)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home)
    log.log(2, {"loss": 1.0})
    assert log.close() == 0
    assert points(run_id, "loss") == [(1, 2.0), (2, 1.0)]


def test_a_resumed_run_does_not_double_its_history(run_id, tmp_path):
    spool = tmp_path / "history.jsonl"
    first = tracking.MetricLog(run_id, spool, interval_s=60)
    for step in (1, 2, 3):
        first.log(step, {"loss": float(step)})
    first.close()
    again = tracking.MetricLog(run_id, spool, from_step=2, interval_s=60)
    again.log(3, {"loss": 3.0})
    assert again.close() == 0
    assert [row["step"] for row in history.read(spool)[0]] == [1, 2, 3]
    assert points(run_id, "loss")[:2] == [(1, 1.0), (2, 2.0)]  # sent again, kept once


def test_a_fresh_run_starts_its_history_anew(run_id, tmp_path):
    (tmp_path / "history.jsonl").write_text('{"step": 1, "time_s": 1.0, "loss": 9.0}\n')
    log = tracking.MetricLog(run_id, tmp_path / "history.jsonl", interval_s=60)
    log.log(1, {"loss": 2.0})
    log.close()
    assert [row["loss"] for row in history.read(tmp_path / "history.jsonl")[0]] == [2.0]
