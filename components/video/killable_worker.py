"""One pooled worker process with a wall clock: for native code that may hang, crash or leak on a file it was given."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from types import TracebackType
from typing import Any


class GuardError(Exception):
    """The guarded call was killed on its wall clock, or its worker died."""


class Guard:
    """Run functions in a worker process that is killed and replaced when one of them hangs or crashes it.

    The worker is started at the first call and serves all later ones. Not safe for two threads at once: give each its
    own.

    >>> with Guard(timeout_s=10.0) as guard:  # doctest: +SKIP
    ...     guard.call(len, "four")
    4
    """

    def __init__(self, *, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        # a fork would inherit the locks of the parent's threads: decord is known to deadlock that way
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None

    def call(self, function: Callable[..., Any], *args: object) -> Any:
        """Return `function(*args)`; both, and the result, must be picklable.

        Raises:
            GuardError: the call took longer than `timeout_s`, or the worker died under it; the worker is replaced.
            Exception: whatever the function raised, as it raised it.
        """
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self._pipe.send((function, args))
            if not self._pipe.poll(self.timeout_s):
                self.close()
                raise GuardError(f"killed after {self.timeout_s:g} s, the allowed time of one call")
            failed, value = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join(timeout=5)
            code = self._process.exitcode
            self.close()
            raise GuardError(f"the worker process died with exit code {code}") from error
        if failed:
            raise value
        return value

    def close(self) -> None:
        """Kill the worker; the next call starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        self.close()
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        # only the worker may hold its end: its death, or ours, must show as end of file
        theirs.close()
        if not self._pipe.poll(60) or self._pipe.recv() != "ready":
            self.close()
            raise GuardError("the worker process did not start within 60 s")

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _serve(pipe: Any) -> None:
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
