"""Curves of a training process: written to a spool on disk, and sent to MLflow in batches by a thread."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path

from components.tracking import history
from components.tracking.runs import MAX_METRICS, client, log_artifacts, tracking_uri

logger = logging.getLogger(__name__)


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
        # MLflow would wait minutes for a server that is away; here the records wait in the spool
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        history.trim(spool, from_step)
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
        """Send the rest and return the number of records that the server does not have; they stay in the spool."""
        self._stop.set()
        self._thread.join(timeout_s)
        self._file.close()
        left = len(history.read(self._spool, self._sent_bytes)[0])
        if left:
            logger.warning("%d records did not reach %s; all of them stand in %s", left, tracking_uri(), self._spool)
        if self._files:
            paths = [str(path) for path, _ in self._files]
            logger.warning("%d files did not reach %s; they stay where they are: %s", len(paths), tracking_uri(), paths)
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
                    logger.warning("no MLflow at %s, the curves wait in %s: %s", tracking_uri(), self._spool, error)
                    self._warned = True

    def _send(self) -> None:
        from mlflow.entities import Metric

        rows, offset = history.read(self._spool, self._sent_bytes)
        metrics = [
            Metric(name, value, int(row["time_s"] * 1000), row["step"])
            for row in rows
            for name, value in row.items()
            if name not in ("step", "time_s")
        ]
        for start in range(0, len(metrics), MAX_METRICS):
            client().log_batch(self._run_id, metrics=metrics[start : start + MAX_METRICS])
        self._sent_bytes = offset
        while self._files:
            log_artifacts(self._run_id, *self._files[0])
            del self._files[0]
