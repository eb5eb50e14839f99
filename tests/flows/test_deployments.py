"""Deployments on a real Prefect server with a real process worker, DVC and MLflow; training is a stand-in."""

import importlib
import os
import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Running
from ruamel.yaml import YAML

from flows import compare, gpus, missed
from tests.flows import stand_in
from tests.flows.conftest import Server, wait
from tests.flows.test_gpus import fake_gpus, waits_for
from tests.processes import alive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SAVE_S = 50  # Prefect kills the process of a cancelled run after 30 s


def new_versions_that_hang(project: Path, *, save_s: int = 0) -> None:
    """Move the keys of both base stages, and so of all; let the stages that then train hang, and save for so long."""
    file = project / "components" / "train" / "versions.py"
    text = file.read_text()
    newest = 2 + text.count("for a test")
    file.write_text(re.sub('"(text|contrastive)": {', rf'\g<0>{newest}: "for a test", ', text))
    (project / "hang").write_text(f"{save_s}")


def hanging_run(server: Server, worker: subprocess.Popen) -> tuple[str, list[psutil.Process]]:
    """Start a training that hangs; give its flow run and all its processes: two stages at once, each with a child."""
    of_worker, trained = psutil.Process(worker.pid), set(stand_in.pid_files(server.project))
    before = set(of_worker.children(recursive=True))
    run_id = server.trigger("train/train")
    log = server.project / "prefect.log"
    wait(
        lambda: len(set(stand_in.pid_files(server.project)) - trained) == 4,
        160,
        lambda: (server.state(run_id), log.read_text()[-3000:]),
    )
    processes = [process for process in of_worker.children(recursive=True) if process not in before]
    stages = {int(path.name) for path in set(stand_in.pid_files(server.project)) - trained}
    assert server.state(run_id)["type"] == "RUNNING"
    assert stages < {process.pid for process in processes} and alive(processes) == processes
    return run_id, processes


def mlflow_statuses(project: Path) -> list[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("egoflow").experiment_id], max_results=3)
    return sorted(run.info.status for run in runs)


def test_deployments_run_on_a_worker_and_leave_no_process(server: Server, project: Path):
    server.prefect("work-pool", "create", "egoflow", "--type", "process")
    server.prefect("work-pool", "set-concurrency-limit", "egoflow", "1")
    file = project / "infra" / "prefect.yaml"
    text = file.read_text()
    assert text.count('cron: "0 3 * * *"') == 1
    file.write_text(text.replace('cron: "0 3 * * *"', 'cron: "* * * * *"'))
    server.prefect("deploy", "--all", "--prefect-file", "infra/prefect.yaml")
    deployed = {deployment["name"]: deployment for deployment in server.post("deployments/filter")}
    assert deployed.keys() == {"pipeline", "data", "train", "evaluate", "promote", "compare", "retrain", "drift"}
    assert deployed["compare"]["parameters"] == {"comparison": compare.COMPARISON, "seeds": 3, "only": []}
    taken = deployed["compare"]["parameter_openapi_schema"]["properties"].keys()
    assert taken == {"comparison", "seeds", "only", "overrides"}

    with server.worker() as worker:
        # a run by the command line
        state = server.wait_for_end(server.trigger("pipeline/pipeline"), 240)
        assert state["type"] == "COMPLETED", (state, (project / "prefect.log").read_text()[-3000:])
        assert list(project.glob("reports/*/index.html"))

        # the schedule fires; what it finds to do depends on whether it came before that run
        def scheduled() -> list[dict]:
            runs = server.post("flow_runs/filter", deployments={"name": {"any_": ["retrain"]}})
            return [run for run in runs if run["auto_scheduled"] and run["state_type"] == "COMPLETED"]

        fired = wait(scheduled, 240, lambda: server.post("flow_runs/filter")[:3])[0]
        assert fired["state"]["message"].startswith(("Nothing to do", "Trained"))
        [schedule] = next(one for one in server.post("deployments/filter") if one["name"] == "retrain")["schedules"]
        server.prefect("deployment", "schedule", "pause", "retrain/retrain", schedule["id"])
        # one that began meanwhile would train the new versions below, in the place of the run that is asked for
        open_ones = {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}
        wait(
            lambda: not server.post("flow_runs/filter", flow_runs=open_ones),
            240,
            lambda: server.post("flow_runs/filter"),
        )

        # cancelled: Prefect signals the flow's process alone, which knows of the training below it
        new_versions_that_hang(project, save_s=SAVE_S)
        run_id, processes = hanging_run(server, worker)
        server.prefect("flow-run", "cancel", run_id)
        wait(lambda: mlflow_statuses(project) == ["KILLED"] * 3, SAVE_S, lambda: mlflow_statuses(project))
        assert not list(project.glob("checkpoints/*/saved")), "who waits for the save is killed before it ends"
        assert server.wait_for_end(run_id, 120)["type"] == "CANCELLED"
        found = server.post("task_runs/filter", flow_runs={"id": {"any_": [run_id]}}, task_runs={})
        assert {one["state_type"] for one in found} == {"CANCELLED"}, [(one["name"], one["state"]) for one in found]
        wait(lambda: not alive(processes), SAVE_S + 20, lambda: alive(processes))
        assert len(list(project.glob("checkpoints/*/saved"))) == 2

        # the worker dies without a word: the flow run ends by itself, and says so to the server
        new_versions_that_hang(project)
        run_id, processes = hanging_run(server, worker)
        os.kill(worker.pid, signal.SIGKILL)
        wait(lambda: not alive(processes), 120, lambda: (alive(processes), server.state(run_id)))
        state = server.wait_for_end(run_id, 120)
        # crashed, if it first wrote a line of log into the dead worker's pipe
        assert state["type"] in ("FAILED", "CRASHED"), state


def test_runs_that_a_schedule_missed_collapse_into_the_first(server: Server):
    @flow
    def nightly(recipe: str) -> None: ...

    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        every_second = {"schedule": IntervalSchedule(interval=timedelta(seconds=1)), "active": True}
        made = client.create_deployment(
            client.create_flow(nightly), "nightly", schedules=[every_second], parameters={"recipe": "a"}
        )
        asked = client.create_flow_run_from_deployment(made, parameters={"recipe": "a"})  # by a person
        of_deployment = {"deployments": {"id": {"any_": [str(made)]}}, "sort": "EXPECTED_START_TIME_ASC"}

        def due() -> list[dict]:
            return [
                run
                for run in server.post("flow_runs/filter", **of_deployment)
                if run["auto_scheduled"] and datetime.fromisoformat(run["expected_start_time"]) < datetime.now(UTC)
            ]

        wait(lambda: len(due()) > 3, 60, due)
        client.pause_deployment(made)
        first, *others = due()
        client.set_flow_run_state(first["id"], Running(), force=True)
        assert missed.collapse_into(client, first["id"]) >= len(others)
        ended = [client.read_flow_run(run["id"]).state for run in others]
        assert {(state.type.value, state.message) for state in ended} == {
            ("CANCELLED", f"Missed: run {first['name']} began later than this was due, and does the same.")
        }
        assert client.read_flow_run(first["id"]).state.is_running()
        assert client.read_flow_run(asked.id).state.is_scheduled()
        assert missed.collapse_into(client, first["id"]) == 0


def test_every_flow_has_a_deployment_whose_parameters_it_takes():
    deployments = YAML(typ="safe").load((stand_in.ROOT / "infra/prefect.yaml").read_text())["deployments"]
    entrypoints = set()
    for deployment in deployments:
        path, name = deployment["entrypoint"].split(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
        assert flow.name == deployment["name"]
        flow.validate_parameters(deployment.get("parameters", {}))
        entrypoints.add(path)
    files = {f"flows/{path.name}": path for path in (stand_in.ROOT / "flows").glob("*.py")}
    del files["flows/ship_base_models.py"]  # what it writes, a person commits
    assert entrypoints == {name for name, path in files.items() if "\n@flow(" in path.read_text()}
    assert Path(stand_in.ROOT, compare.COMPARISON).is_file()


def test_the_server_bounds_the_stages_by_its_gpus(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake_gpus(monkeypatch, tmp_path / "locks")
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        with gpus.reserved(1, stop=lambda: None) as ids:
            limit = client.read_global_concurrency_limit_by_name(gpus.LIMIT)
            assert (ids, limit.limit, limit.active_slots) == (("0",), 2, 1)
            monkeypatch.setattr(gpus, "LOCKS", tmp_path / "of another project")
            assert waits_for(2) and not waits_for(1)
        assert client.read_global_concurrency_limit_by_name(gpus.LIMIT).active_slots == 0
        assert not waits_for(2)
