"""Curves of a training process: written to a spool on disk, and sent to MLflow in batches by a thread."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking import history
from components.tracking.experiment import shown
from components.tracking.runs import MAX_METRICS
from components.tracking.store import client, impatient_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

UNSENT = "unsent.json"  # beside the spool, while the server does not have all of it


class MetricLog:
    """Curves of one training process: written to the spool at once, sent to MLflow by a thread, in batches.

    The spool (history.jsonl) is also the queue: the thread sends the lines after its own offset. So a crash loses
    nothing, memory stays small, and records wait on disk while the server is away. A record that is sent twice is
    stored once, because its time is sent with it.

    Args:
        run_id: the stage's run.
        spool: path of history.jsonl.
        from_step: the step that training resumes from; later records are dropped from the spool. None drops all.
        interval_s: shortest time between two batches.
    """

    def __init__(self, run_id: str, spool: Path, *, from_step: int | None = None, interval_s: float = 2.0):
        # a server that hangs must not hold the end of the training up; the records wait in the spool
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        history.trim(spool, from_step)
        spool.with_name(UNSENT).unlink(missing_ok=True)
        self._run_id, self._spool, self._interval_s = run_id, spool, interval_s
        self._file = spool.open("a")
        self._sent_bytes, self._warned = 0, False
        self._files: list[tuple[Path, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_until_stopped, name="metric-log", daemon=True)
        self._thread.start()

    def log(self, step: int, values: dict[str, float]) -> None:
        """Append one record; returns without waiting for the server."""
        row = {"step": step, "time_s": time.time()} | {name: float(value) for name, value in values.items()}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def attach(self, path: Path, folder: str) -> None:
        """Have a file copied into `folder` of the run's artifacts; returns without waiting for the server."""
        self._files.append((path, folder))

    def close(self, timeout_s: float = 30.0) -> int:
        """Send the rest and return the number of records that the server does not have.

        They stay in the spool, and with the files that it does not have they are sent by `send_rest`.
        """
        self._stop.set()
        self._thread.join(timeout_s)
        self._file.close()
        left, files = len(history.read(self._spool, self._sent_bytes)[0]), list(self._files)
        if left or files:
            waiting = [[str(path), place] for path, place in files]
            rest = {"run_id": self._run_id, "sent_bytes": self._sent_bytes, "files": waiting}
            partial = self._spool.with_name(f"{UNSENT}.partial")  # a process that is killed here leaves no half of it
            partial.write_text(json.dumps(rest))
            partial.rename(self._spool.with_name(UNSENT))
            logger.warning(
                "%d records and %d files did not reach %s; they are sent when the stage ends: %s",
                left, len(files), shown(tracking_uri()), [str(self._spool), *(str(path) for path, _ in files)],
            )  # fmt: skip
        return left

    def _send_until_stopped(self) -> None:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        stopped = False
        while not stopped:
            stopped = self._stop.wait(self._interval_s)
            try:
                self._send()
            except (MlflowException, SQLAlchemyError, OSError) as error:
                if not self._warned:
                    place = shown(tracking_uri())
                    logger.warning("no MLflow at %s, the curves wait in %s: %s", place, self._spool, error)
                    self._warned = True

    def _send(self) -> None:
        store = impatient_client()
        self._sent_bytes = _send_records(store, self._run_id, self._spool, self._sent_bytes)
        while self._files:
            path, folder = self._files[0]
            store.log_artifact(self._run_id, str(path), folder)
            del self._files[0]


def send_rest(folder: Path) -> None:
    """Send what a training process could not: the server was away when it ended. This waits for the server.

    Args:
        folder: that has the spool; all has been sent where it has no `UNSENT`.
    """
    unsent = folder / UNSENT
    if not unsent.is_file():
        return
    rest = json.loads(unsent.read_text())
    _send_records(client(), rest["run_id"], folder / "history.jsonl", rest["sent_bytes"])
    for path, place in rest["files"]:
        client().log_artifact(rest["run_id"], path, place)
    unsent.unlink()


def send_finished(folder: Path, run_id: str, *, steps: int) -> None:
    """Send the curves and the pages of rollouts of a finished stage to a run that did not train it.

    Args:
        folder: checkpoint folder.
        run_id: MLflow run that takes them; what does not reach it is sent by `send_rest`.
        steps: of the stage; later records are dropped.
    """
    log = MetricLog(run_id, folder / "history.jsonl", from_step=steps)
    for page in sorted((folder / "rollouts").glob("step-*.html")):
        log.attach(page, "rollouts")
    log.close()


def _send_records(store: MlflowClient, run_id: str, spool: Path, from_byte: int) -> int:
    """Send the records behind a byte of the spool; one that is sent twice is stored once. Return where they end."""
    from mlflow.entities import Metric

    rows, end = history.read(spool, from_byte)
    metrics = [
        Metric(name, value, int(row["time_s"] * 1000), row["step"])
        for row in rows
        for name, value in row.items()
        if name not in ("step", "time_s")
    ]
    for start in range(0, len(metrics), MAX_METRICS):
        store.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])
    return end
