"""A stand-in project, a real Prefect server on a free port, and a process worker; ended by their own ids."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from flows import tasks
from flows.tasks import Job
from tests.flows import stand_in

NUMBERS = iter(range(100, 200))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in.make(tmp_path_factory.mktemp("project"))


@pytest.fixture
def job(project: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """The recipe of the stand-in project, on a dataset of its own: no test sees the stages of another."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    return tasks.open_job(stand_in.RECIPE, dataset=f"{next(NUMBERS)}" * 20)


@dataclass
class Server:
    """A Prefect server and the project whose flows are deployed on it."""

    project: Path
    url: str

    @property
    def env(self) -> dict[str, str]:
        return stand_in.environment(self.project, PREFECT_API_URL=self.url, PREFECT_WORKER_QUERY_SECONDS="1")

    def prefect(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        done = subprocess.run(command, cwd=self.project, env=self.env, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def trigger(self, deployment: str) -> str:
        """Start a run by the command line and give its id."""
        return re.search(r"UUID: (\S+)", self.prefect("deployment", "run", deployment))[1]

    def state(self, run_id: str) -> dict:
        return httpx.get(f"{self.url}/flow_runs/{run_id}").raise_for_status().json()["state"]

    def post(self, path: str, **body: object) -> list[dict]:
        return httpx.post(f"{self.url}/{path}", json=body).raise_for_status().json()

    def wait_for_end(self, run_id: str, seconds: float) -> dict:
        ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return wait(
            lambda: (state := self.state(run_id))["type"] in ended and state, seconds, lambda: self.state(run_id)
        )

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen]:
        with ended(["-m", "prefect", "worker", "start", "--pool", "egoflow"], self.project, self.env) as process:
            yield process


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    server = Server(project, f"http://127.0.0.1:{port}/api")
    env = server.env | {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2", "PREFECT_SERVER_UI_ENABLED": "false"}
    arguments = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with ended(arguments, project, env):
        wait(lambda: _healthy(server.url), 240, lambda: (project / "prefect.log").read_text()[-2000:])
        yield server


@contextlib.contextmanager
def ended(arguments: list[str], project: Path, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Run a Python program beside the block; at its end end it and what it started."""
    with (project / "prefect.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, *arguments], cwd=project, env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        family = [psutil.Process(process.pid)] if process.poll() is None else []
        family += [child for parent in family for child in parent.children(recursive=True)]
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=5)
        for one in left:
            one.kill()
        process.wait(40)


def _healthy(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/health").status_code == 200
    return False


def wait(ask: Callable[[], object], seconds: float, tell: Callable[[], object]) -> object:
    """Ask until the answer is true and give it; at the end of the time fail with what `tell` says."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"nothing after {seconds} s: {tell()}"
        time.sleep(0.2)
    return answer
