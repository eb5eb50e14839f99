"""Contracts are checked in a process beside the step, for Great Expectations takes three seconds to load."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

log = logging.getLogger(__name__)


def check(step: str, data_dir: Path) -> None:
    """Check the contracts of the tables that a step left, in this process.

    Args:
        step: a key of `OUTPUTS` (contracts/tables.py).
        data_dir: the folder data/.

    Raises:
        ValueError: as `validate.check`.
    """
    from components.data.contracts import large_tables, validate

    index = validate.check(step, large_tables.load(step, data_dir), docs_dir=data_dir / "gx")
    log.info("%s: every expectation holds; Data Docs: %s", step, index)


@contextmanager
def checking() -> Generator[Callable[[str, Path], None]]:
    """Start a process that loads Great Expectations, and yield `check`, done there.

    To be entered before this process has a second thread: it is forked. The other process ends with the block, and when
    this one dies.
    """
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_serve, args=(theirs, ours), daemon=True)
    process.start()
    theirs.close()

    def check_there(step: str, data_dir: Path) -> None:
        try:
            ours.send((step, data_dir))
            error = ours.recv()
        except (EOFError, ConnectionError) as gone:
            process.join()
            raise RuntimeError(
                f"step {step!r}: the process that checks the contracts died with exit code {process.exitcode}; its "
                "error stands above, or there was too little memory. Run `dvc repro` again"
            ) from gone
        if error is not None:
            raise error

    try:
        yield check_there
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, of_the_step: Connection) -> None:
    of_the_step.close()  # held by the step alone: its death is end of file here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the step's to tell of
    from components.data.contracts import validate

    validate.load()
    try:
        step, data_dir = pipe.recv()
    except EOFError:
        return
    try:
        check(step, data_dir)
    except Exception as error:  # noqa: BLE001 - whatever it is, the step raises it
        pipe.send(error)
    else:
        pipe.send(None)
