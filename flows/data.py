"""The data graph: one task per DVC stage, in order. DVC decides what is stale; it locks, so one `dvc` at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger
from ruamel.yaml import YAML

from components import params
from components.train import launch_command, plan
from flows import supervisor, tasks
from flows.tasks import How, Outcome, Stop

DVC = [sys.executable, "-m", "dvc"]
# what DVC prints of a stage that it did not run
NOT_RUN: dict[str, How] = {"didn't change, skipping": "reused", "is cached - skipping run": "from cache"}
# a data step at paper scale decodes terabytes; a longer one hangs
TIMEOUT_S = 48 * 3600.0


@flow(name="data", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def data() -> list[Outcome]:
    """Bring the data up to date."""
    with tasks.stopping() as stop:
        return refresh(stop)


def refresh(stop: Stop) -> list[Outcome]:
    """Run `dvc repro` for each stage of dvc.yaml, inputs first.

    Raises:
        StageFailed: a stage failed (a broken table names its expectation); with the last lines of its log.
        ValueError: params/data.yaml has mistakes; DVC has removed no output yet, as it does before it runs a stage.
    """
    params.load(tasks.DATA_PARAMS, params.Data)
    return [tasks.as_task(repro, f"data {name}")(name, stop) for name in stage_names(Path("dvc.yaml"))]


def repro(name: str, stop: Stop) -> Outcome:
    """Reproduce one DVC stage if it is stale."""
    logger, started_s = get_run_logger(), time.monotonic()
    how: How = "ran"

    def on_line(line: str) -> None:
        nonlocal how
        if line.strip():
            logger.info(line)
        how = next((word for text, word in NOT_RUN.items() if f"Stage '{name}' {text}" in line), how)

    supervisor.supervise(
        [*DVC, "repro", "--single-item", name],
        launch_command.environment(Path.cwd(), threads=tasks.cores()),
        log_path=tasks.LOGS / f"data-{name}.log",
        timeout_s=TIMEOUT_S,
        on_line=on_line,
        stop=stop,
    )
    return Outcome(name, how, time.monotonic() - started_s)


def digest() -> str:
    """Return the digest of the dataset as dvc.lock has it."""
    return plan.dataset_digest(Path("dvc.lock"))


def stage_names(dvc_yaml: Path) -> list[str]:
    """Return the stages of dvc.yaml, each after those that make what it reads.

    `dvc repro --single-item` looks at one stage only, so the order is ours to keep.
    """
    return list(TopologicalSorter(_needs(dvc_yaml)).static_order())


def _needs(dvc_yaml: Path) -> dict[str, set[str]]:
    """Return stage -> the stages that make what it reads.

    Raises:
        ValueError: there is no dvc.yaml or no stage in it.
    """
    stages = (YAML(typ="safe").load(dvc_yaml.read_text()) or {}).get("stages") if dvc_yaml.is_file() else None
    if not stages:
        raise ValueError(f"{dvc_yaml.resolve()} has no stages. Start this from the project root, where dvc.yaml is.")
    makers = {path: name for name, stage in stages.items() for path in _paths(stage, "outs")}
    return {
        name: {
            maker
            for path in _paths(stage, "deps")
            for out, maker in makers.items()
            if maker != name and (path == out or out in path.parents or path in out.parents)
        }
        for name, stage in stages.items()
    }


def _paths(stage: dict, which: str) -> list[Path]:
    # an entry is a path, or a path with options such as `cache: false`
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in stage.get(which, [])]


def stale() -> list[str]:
    """Return the stages that would run, in order: those whose inputs or outputs changed, and all that read them."""
    status = subprocess.run([*DVC, "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode != 0:
        raise RuntimeError(f"`dvc status` ended with exit code {status.returncode}:\n{status.stderr.strip()}")
    changed, needs = set(json.loads(status.stdout or "{}")), _needs(Path("dvc.yaml"))
    for name in TopologicalSorter(needs).static_order():
        if needs[name] & changed:
            changed.add(name)
    return [name for name in stage_names(Path("dvc.yaml")) if name in changed]
