"""One worker process that is killed at a time limit: for native code that may hang, crash or leak on a file.

It is written by hand because a call must cost little: a step probes millions of files at about a millisecond each and
sends decoded frames back. Measured on 2 cores: 14,100 trivial calls a second and 62 results of 2 MB, where
pebble 5.2 (`ProcessPool(max_workers=1).schedule(..., timeout=...)`) does 1,500 and 29, and notices a crash after 1.2 s.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import NamedTuple, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Args = TypeVarTuple("Args")
START_S = 300.0  # allowed to start a process, which imports the main program's modules; seconds on an idle machine
# a fork would inherit the locks of the parent's threads: decord is known to deadlock that way
_SPAWN = multiprocessing.get_context("spawn")


class WorkerDiedError(Exception):
    """The worker process was killed at its time limit, or crashed: the call has no result."""


class WorkerStartError(Exception):
    """No worker process could be started: that is the fault of the machine, and says nothing of the call."""


class _Running(NamedTuple):
    process: SpawnProcess
    pipe: Connection


class KillableWorker:
    """Run functions in a worker process that is killed and replaced when one of them hangs or crashes it.

    The worker is started at the first call and serves all later ones. Not safe for two threads at once: give each its
    own.

    >>> with KillableWorker(timeout_s=10.0) as worker:  # doctest: +SKIP
    ...     worker.call(len, "four")
    4
    """

    def __init__(self, *, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._running: _Running | None = None

    def call(self, function: Callable[[*Args], Result], *args: *Args) -> Result:
        """Return `function(*args)`; the function, its arguments and its result must be picklable.

        Raises:
            WorkerDiedError: the call took longer than `timeout_s`, or the worker died under it; the worker is replaced.
            WorkerStartError: the worker could not be started.
            Exception: whatever the function raised, as it raised it.
        """
        if self._running is None or not self._running.process.is_alive():
            self.close()
            self._running = _start()
        process, pipe = self._running
        try:
            pipe.send((function, args))
            if not pipe.poll(self.timeout_s):
                self.close()
                raise WorkerDiedError(f"killed after {self.timeout_s:g} s, the allowed time of one call")
            failed, value = pipe.recv()
        except (EOFError, ConnectionError) as error:
            process.join(timeout=5)
            code = process.exitcode
            self.close()
            raise WorkerDiedError(f"the worker process died with exit code {code}") from error
        if failed:
            raise value
        return value

    def close(self) -> None:
        """Kill the worker; the next call starts a new one."""
        if self._running is not None:
            _kill(self._running)
            self._running = None

    def __enter__(self) -> KillableWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start() -> _Running:
    ours, theirs = _SPAWN.Pipe()
    running = _Running(_SPAWN.Process(target=_serve, args=(theirs,), daemon=True), ours)
    running.process.start()
    # only the worker may hold its end: its death, or ours, must show as end of file
    theirs.close()
    if not ours.poll(START_S):
        _kill(running)
        raise WorkerStartError(
            f"the worker process did not start within {START_S:g} s; run again when the machine is less busy"
        )
    try:
        ours.recv()  # it is ready
    except EOFError as error:
        running.process.join()
        code = running.process.exitcode
        _kill(running)
        raise WorkerStartError(
            f"the worker process died at its start with exit code {code}; its error stands above, often there is too "
            "little memory"
        ) from error
    return running


def _kill(running: _Running) -> None:
    running.process.kill()
    running.process.join()
    running.pipe.close()


def _serve(pipe: Connection) -> None:
    pipe.send("ready")
    while True:
        try:
            function, args = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = (False, function(*args))
        except Exception as error:  # noqa: BLE001 - it is raised again in the parent
            answer = (True, error)
        pipe.send(answer)
