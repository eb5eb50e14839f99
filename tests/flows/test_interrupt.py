"""Ctrl-C in a terminal, which reaches the program and Prefect's server alike, while a stage trains."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from components import tracking
from components.tracking.store import client
from flows import interrupt
from tests.flows import stand_in


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in.make(tmp_path_factory.mktemp("project"))


def statuses() -> dict[str, list[str]]:
    store = client()
    experiment = store.get_experiment_by_name("egoflow")
    found: dict[str, list[str]] = {}
    for run in store.search_runs([experiment.experiment_id]):
        found.setdefault(run.info.status, []).append(run.data.tags["kind"])
    return found


@pytest.mark.long
def test_ctrl_c_ends_with_a_sentence_and_leaves_nothing_open(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    (project / "hang").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.pipeline"], cwd=project, env=stand_in.environment(project),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    end_s = time.monotonic() + 200
    while not (pids := [path for path in project.glob("checkpoints/*/pids/*") if not path.read_text()]):
        assert time.monotonic() < end_s and process.poll() is None, process.stdout.read()
        time.sleep(0.2)
    below = psutil.Process(process.pid).children(recursive=True)
    assert {int(path.name) for path in pids} <= {one.pid for one in below}
    started_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - started_s < 15
    assert interrupt.SENTENCE.format("Ctrl-C") in said and "Traceback" not in said, said[-3000:]
    _, alive = psutil.wait_procs(below, timeout=30)
    assert not alive
    found = statuses()
    assert "RUNNING" not in found and {"pipeline", "stage"} <= set(found["KILLED"])


RUNS = """
import subprocess, time
from components import tracking
from flows import interrupt
run_id = tracking.open_pipeline_run("p", tags={"kind": "pipeline"})
with interrupt.ends(run_id):
    print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_to_the_flow_alone_ends_it_with_a_sentence(tmp_path: Path, monkeypatch, number: int, name: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS], cwd=stand_in.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    below = [psutil.Process(int(process.stdout.readline()))]
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.endswith(f"\n{interrupt.SENTENCE.format(name)}\n") and "Traceback" not in said
    assert statuses() == {"KILLED": ["pipeline"]}
    _, left = psutil.wait_procs(below, timeout=30)
    assert not left


def test_a_child_that_has_ended_and_was_not_waited_for_is_no_hindrance():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    child = psutil.Process(ended.pid)
    end_s = time.monotonic() + 30
    while child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    other = subprocess.Popen(["sleep", "60"])
    interrupt.end_children()
    assert other.wait(10) == -signal.SIGTERM
    ended.wait()


def test_runs_of_a_process_that_is_gone_end_with_the_next_pipeline_run(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    program = "from components import tracking; tracking.open_pipeline_run('dead', tags={'kind': 'pipeline'})"
    subprocess.run([sys.executable, "-c", program], cwd=stand_in.ROOT, check=True)
    mine = tracking.open_pipeline_run("mine", tags={"kind": "pipeline"})
    assert statuses() == {"KILLED": ["pipeline"], "RUNNING": ["pipeline"]}
    tracking.open_pipeline_run("another of this process", tags={"kind": "pipeline"})
    assert tracking.describe(mine).status == "RUNNING"
