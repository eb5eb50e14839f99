"""Ctrl-C, or SIGTERM of whoever wants the machine back: one sentence, at once, and nothing left open.

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

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
MLFLOW_S = 10.0  # the store may be busy or away
SENTENCE = (
    "Stopped by {}. What is finished is kept and will be reused; a stage that trains saves a checkpoint now, for a "
    "minute at most, and goes on from there. To go on, run the same command again."
)


@contextlib.contextmanager
def ends(run_id: str) -> Generator[None]:
    """End this process on a signal while the block runs, with 128 + its number, as shells have it.

    In a worker's process, whose signals are Prefect's, this does nothing.

    Args:
        run_id: MLflow run of the pipeline, which ends as KILLED with those nested in it.
    """
    if threading.current_thread() is not threading.main_thread() or "PREFECT__FLOW_RUN_ID" in os.environ:
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        for one in NAMES:
            signal.signal(one, signal.SIG_IGN)
        sys.stderr.write(f"\n{SENTENCE.format(NAMES[signal.Signals(number)])}\n")
        try:
            # in a thread: this one may hold a lock of the store
            closing = threading.Thread(target=tracking.end_open, args=(run_id,), daemon=True)
            closing.start()
            closing.join(MLFLOW_S)
            end_children()
            sys.stderr.flush()
        finally:
            os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in NAMES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_children() -> None:
    """Ask the processes below this one to end, but for watchdogs: those end by themselves when our pipe closes."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # the same Ctrl-C may have ended it
            if "--watch" not in child.cmdline():
                child.terminate()
