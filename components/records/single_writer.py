"""One writer for a place: who comes second is told who came first, and a place whose owner is gone is free."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

LOCKS = Path(".cache/locks")  # below the project's folder


class BusyError(ValueError):
    """Another process writes there."""


@contextmanager
def single_writer(lock: Path, what: str) -> Generator[int]:
    """Hold a lock file while the block runs; the kernel frees it with the process, however that ends.

    Yields:
        The descriptor of the file: a process that inherits it holds the lock as well, as long as it lives.

    Args:
        lock: the file, which stays; the owner's process id, host and start are in it.
        what: is written, for the message.

    Raises:
        BusyError: another process holds it; says which one.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{what} is written by {_owner(lock)}; wait until that has ended, or end it") from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
        file.flush()
        try:
            yield file.fileno()
        finally:
            file.truncate(0)  # who reads it while another takes the lock must not be sent to a process that is gone


def _owner(lock: Path) -> str:
    try:
        told = json.loads(lock.read_text())
    except ValueError:  # it has the lock, and has not yet written who it is
        return "another process"
    return f"process {told['pid']} on {told['host']} since {told['since']}"
