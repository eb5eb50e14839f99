"""Which process a run belongs to, and whether it is still there: by host, process id and the time it began."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_START = 19  # of the fields behind the name in /proc/<pid>/stat (proc(5), field 22): clock ticks since boot


def me() -> str:
    """Return the name of this process, which no other has had since the machine was started."""
    return f"{_place()} {os.getpid()} {_began(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Return whether a process of this host has ended; False for those of other hosts and containers.

    Args:
        owner: as `me` names it.
    """
    place, _, rest = owner.partition(" ")
    pid, _, began = rest.partition(" ")
    return place == _place() and pid.isdecimal() and began.isdecimal() and _began(int(pid)) != began


def _place() -> str:
    # containers may have one host name, and each numbers its own processes
    return f"{socket.gethostname()}/{os.stat('/proc/self/ns/pid').st_ino}"


def _began(pid: int) -> str | None:
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # the name stands in brackets, and may hold brackets and spaces itself
    return told.rpartition(")")[2].split()[_START]
