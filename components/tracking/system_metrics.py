"""What a machine is busy with while a stage trains: memory, cores, disk, network and GPUs, by MLflow's own monitor."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from components.tracking.store import client, tracking_uri


@contextmanager
def system_metrics(run_id: str) -> Generator[None]:
    """Log the metrics `system/…` of this machine to an open run while the block runs, every ten seconds.

    Args:
        run_id: of the run. A store that is away ends the monitor and nothing else.
    """
    client()  # MLflow reads its environment when it is imported
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)  # that it starts and ends is no news
    monitor = SystemMetricsMonitor(run_id, tracking_uri=tracking_uri())
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
