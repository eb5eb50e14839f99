"""Ctrl-C: one sentence, at once, and nothing left open.

Prefect's own way waits for every task and for a server that the same Ctrl-C has ended, which took minutes and pages of
tracebacks. The processes of the flow end by themselves when this one is gone: flows/supervisor.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Generator
from types import FrameType

import psutil

from components import tracking

CODE = 128 + signal.SIGINT  # as shells have it
MLFLOW_S = 10.0  # the store may be busy or away
SENTENCE = (
    "Stopped by Ctrl-C. What is finished is kept and will be reused; a stage that trains saves a checkpoint now, for a "
    "minute at most, and goes on from there. To go on, run the same command again."
)


@contextlib.contextmanager
def ends(run_id: str) -> Generator[None]:
    """End this process on Ctrl-C while the block runs; in a worker's process, whose signals are Prefect's, do nothing.

    Args:
        run_id: MLflow run of the pipeline, which ends as KILLED with those nested in it.
    """
    if threading.current_thread() is not threading.main_thread() or "PREFECT__FLOW_RUN_ID" in os.environ:
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write(f"\n{SENTENCE}\n")
        try:
            # in a thread: this one may hold a lock of the store
            closing = threading.Thread(target=tracking.end_open, args=(run_id,), daemon=True)
            closing.start()
            closing.join(MLFLOW_S)
            end_children()
            sys.stderr.flush()
        finally:
            os._exit(CODE)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end_children() -> None:
    """Ask the processes below this one to end, but for watchdogs: those end by themselves when our pipe closes."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # the same Ctrl-C may have ended it
            if "--watch" not in child.cmdline():
                child.terminate()
