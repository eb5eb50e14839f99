"""A real tracking server on PostgreSQL and S3 goes away at any moment: who needs it waits, says so, loses nothing."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from components import tracking
from components.tracking import away
from components.tracking.store import client
from tests.components.tracking import servers
from tests.components.tracking.test_registry import checkpoint_of, register

pytestmark = pytest.mark.long
AWAY_S = 0.5


class Server:
    """The door to MLflow's own server: while it is closed, nothing listens there and no connection is left."""

    def __init__(self, behind: int):
        self._behind, self._open = behind, []
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            self._port = door.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._door = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._let_in, args=(self._door,), daemon=True).start()

    def _let_in(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                pair = door.accept()[0], socket.create_connection(("127.0.0.1", self._behind))
                self._open += pair
                for ends in (pair, pair[::-1]):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        for each in (self._door, *self._open):
            with contextlib.suppress(OSError):  # one that the other end has closed
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    with servers.postgresql() as runs, servers.s3() as access:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", runs)
            client().search_experiments()  # makes the tables
        # as `mlflow server` starts it, without its workers for jobs
        store = {"FILE_STORE": runs, "ARTIFACT_ROOT": "mlflow-artifacts:/"}
        store |= {"ARTIFACT_DESTINATION": "s3://runs/served", "SERVE_ARTIFACTS": "true"}
        environment = os.environ | access | {f"_MLFLOW_SERVER_{name}": value for name, value in store.items()}
        words = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(port)]
        with served(subprocess.Popen(words, env=environment), port) as server:
            yield server


@contextlib.contextmanager
def served(process: subprocess.Popen, port: int) -> Iterator[Server]:
    end_s = time.monotonic() + 200
    while not away.is_there(f"http://127.0.0.1:{port}"):
        assert process.poll() is None and time.monotonic() < end_s
        time.sleep(0.1)
    server = Server(port)
    server.start()
    yield server
    server.stop()
    process.terminate()
    process.wait(30)


@pytest.fixture
def server(started: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", started.url)
    monkeypatch.setattr(away, "POLL_S", 0.05)
    return started


def while_away(server: Server, call: Callable[[], object]) -> object:
    """Call while the server is away, and bring it back; the answer must not have come before."""
    server.stop()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call)
        time.sleep(AWAY_S)
        waited = not answer.done()
        server.start()
        found = answer.result(60)
    assert waited, "it did not need the server"
    return found


def test_a_server_that_is_away_at_any_moment_loses_nothing(server: Server, little_code, tmp_path: Path, caplog):
    with caplog.at_level(logging.WARNING, "components.tracking.away"):
        parent = while_away(server, lambda: tracking.open_pipeline_run("p", tags={"recipe": "r"}))
    assert [record.message.split(" at ")[0] for record in caplog.records] == ["MLflow"]
    assert "is away; this waits for it, 30 minutes at most" in caplog.records[0].message

    stage = tracking.open_stage_run(parent, "s", params={"a": 1}, tags={"stage_key": "k"}, dataset_digest="d")
    log = tracking.MetricLog(stage, tmp_path / "history.jsonl", interval_s=0.05)
    server.stop()  # while it trains, and when it ends
    for step in (1, 2):
        log.log(step, {"loss": float(step)})
    assert log.close() == 2
    server.start()
    while_away(server, lambda: tracking.send_rest(tmp_path))
    while_away(server, lambda: tracking.finish(stage, "FINISHED"))
    assert [(point.step, point.value) for point in client().get_metric_history(stage, "loss")] == [(1, 1.0), (2, 2.0)]
    assert tracking.finished_stage("k") == stage

    checkpoint = checkpoint_of(tmp_path / "checkpoint", "weights")
    version = while_away(server, lambda: register(stage, checkpoint, "away"))
    assert [found.version for found in client().search_model_versions("name = 'away'")] == [version]
    promoted = {"promoted": True, "reason": "better", "numbers": {"gain": 0.1}}
    while_away(server, lambda: tracking.record_decision("away", version, **promoted))
    assert tracking.champion("away").version == version


def test_a_server_that_stays_away_is_given_up_with_its_own_error(server: Server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(away, "WAIT_S", 0.2)
    with pytest.raises(MlflowException, match="Connection refused"):
        tracking.finished_stage("k")


def test_what_the_server_itself_refuses_is_not_tried_again(server: Server):
    calls = []

    def refused() -> None:
        calls.append(1)
        client().get_run("0" * 32)  # well-formed: another id the client refuses before it asks the server

    with pytest.raises(MlflowException, match="RESOURCE_DOES_NOT_EXIST.*0{32}"):
        away.outlast(server.url, refused)
    assert calls == [1]
