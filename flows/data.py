"""The data graph: one task per DVC stage, in order. DVC decides what is stale; it locks, so one `dvc` at a time."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from components import params
from components.train import launch_command
from flows import supervisor, tasks
from flows.data_graph import DVC, digest, stage_names, stale
from flows.tasks import How, Outcome, Stop

__all__ = ["DVC", "data", "digest", "refresh", "repro", "stage_names", "stale"]
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
    """Run `dvc repro` for each stage of dvc.yaml that may be stale, inputs first.

    One look at the whole graph finds the others: to ask DVC about each would take a process of a second or two for it.

    Raises:
        RuntimeError: as `stale`.
        StageFailed: a stage failed (a broken table names its expectation); with the last lines of its log.
        ValueError: params/data.yaml has mistakes; DVC has removed no output yet, as it does before it runs a stage.
    """
    params.load(tasks.DATA_PARAMS, params.Data)
    moved = set(stale())
    return [
        tasks.as_task(repro, f"data {name}")(name, stop)
        if name in moved
        else tasks.as_task(_up_to_date, f"data {name}")(name)
        for name in stage_names(Path("dvc.yaml"))
    ]


def _up_to_date(name: str) -> Outcome:
    get_run_logger().info("%s and all that it reads are as dvc.lock has them", name)
    return Outcome(name, "reused", 0.0)


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
