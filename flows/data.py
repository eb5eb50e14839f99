"""The data graph: one task per DVC stage, in order. DVC decides what is stale; it locks, so one `dvc` at a time."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from prefect import flow
from prefect.logging import get_run_logger

from components import params
from components.train import launch_command
from flows import supervisor, tasks
from flows.data_graph import DVC, digest, stage_names, stale
from flows.tasks import How, Outcome, Stop

__all__ = ["DVC", "data", "digest", "follow", "refresh", "reproduced", "stage_names", "stale"]
# what DVC prints before anything else of a stage, and of one that it did not run
BEGINS = re.compile(r"(?:Running stage|Stage) '(.+?)'")
NOT_RUN: dict[str, How] = {"didn't change, skipping": "reused", "is cached - skipping run": "from cache"}
# a data step at paper scale decodes terabytes; a longer one hangs
TIMEOUT_S = 48 * 3600.0
# the lines that DVC prints of a stage, and behind them None, or its process if that has ended
Told = SimpleQueue[str | Future[None] | None]


@flow(name="data", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def data() -> list[Outcome]:
    """Bring the data up to date."""
    with tasks.stopping() as stop:
        return refresh(stop)


def refresh(stop: Stop) -> list[Outcome]:
    """Run `dvc repro` over the stages of dvc.yaml, inputs first; what is not stale is left as it is.

    Raises:
        StageFailed: a stage failed (a broken table names its expectation), or DVC cannot say what is stale; with the
            last lines of the log.
        ValueError: params/data.yaml has mistakes; DVC has removed no output yet, as it does before it runs a stage.
    """
    params.load(tasks.DATA_PARAMS, params.Data)
    with reproduced(stage_names(Path("dvc.yaml")), stop) as told:
        return [tasks.as_task(follow, f"data {name}")(name, lines) for name, lines in told.items()]


@contextmanager
def reproduced(names: Sequence[str], stop: Stop) -> Generator[dict[str, Told]]:
    """Have DVC reproduce stages one after another, and yield what it tells of each, by name.

    It is one process for all of them: DVC takes longer to load than many a stage to run. The process ends with the
    block.

    Args:
        names: of the stages, each after those that make what it reads.
        stop: ends the process.
    """
    told: dict[str, Told] = {name: SimpleQueue() for name in names}
    waiting, left = list(names), threading.Event()

    def hear(line: str) -> bool:
        found = BEGINS.match(line)
        begins = found is not None and found[1] in waiting[1:]
        while begins and waiting[0] != found[1]:
            told[waiting.pop(0)].put(None)
        told[waiting[0]].put(line)
        return begins

    def end(process: Future[None]) -> None:
        for name in waiting:
            told[name].put(process)

    with ThreadPoolExecutor(1) as beside:
        process = beside.submit(
            supervisor.supervise,
            [*DVC, "repro", "--single-item", *names],
            launch_command.environment(Path.cwd(), threads=tasks.cores()),
            log_path=tasks.LOGS / "data.log",
            timeout_s=TIMEOUT_S,
            on_line=hear,
            stop=lambda: stop() or ("nothing waits for it" if left.is_set() else None),
        )
        process.add_done_callback(end)
        try:
            yield told
        finally:
            left.set()


def follow(name: str, told: Told) -> Outcome:
    """Wait until DVC has reproduced a stage, and log what it tells meanwhile.

    Args:
        name: of the stage.
        told: see `reproduced`.

    Raises:
        StageFailed, StageStopped: as `supervisor.supervise`.
    """
    logger, started_s = get_run_logger(), time.monotonic()
    how: How = "ran"
    while isinstance(line := told.get(), str):
        if line.strip():
            logger.info(line)
        how = next((word for text, word in NOT_RUN.items() if f"Stage '{name}' {text}" in line), how)
    if line is not None:
        line.result()
    return Outcome(name, how, time.monotonic() - started_s)
