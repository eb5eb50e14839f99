"""Supervise the processes of all flows (data steps, training stages, evaluations): none outlives us. No torch.

A supervised command runs below a watchdog (this file, `--watch`) in a session of its own. The
watchdog holds the reading end of a pipe from us: when we die, even by SIGKILL, the pipe closes and it ends every
process below it. It adopts orphans (a rank whose launcher died), so none is missed.

PR_SET_PDEATHSIG would be shorter, but it fires when the *thread* that started the child ends, and Prefect runs tasks
in a pool of threads.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

LAST_LINES = 30
POLL_S = 0.2
PAUSED = 75  # exit code of a stage that paused itself: EX_TEMPFAIL of <sysexits.h>
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


class StageFailed(RuntimeError):  # noqa: N818  (it is an outcome, and reads as one in Prefect)
    """A supervised process ended badly or ran too long."""


class StageStopped(StageFailed):
    """A supervised process was told to stop."""


class StagePaused(StageFailed):
    """A training stage paused itself and waits for a person; it left a resumable checkpoint."""


def supervise(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    log_path: Path,
    timeout_s: float,
    cwd: Path | None = None,
    grace_s: float = 10.0,
    on_line: Callable[[str], object] | None = None,
    stop: Callable[[], str | None] | None = None,
    leave_s: float | None = None,
    locks: Sequence[int] = (),
) -> None:
    """Run a command to its end; leave no process of it behind, however we or it end.

    Args:
        command: program and arguments.
        env: its whole environment.
        log_path: file that takes its output (appended).
        timeout_s: wall clock, seconds; of each part, where `on_line` tells parts.
        cwd: working directory.
        grace_s: seconds between SIGTERM and SIGKILL.
        on_line: called with each finished line of output; returns True where that begins another part.
        stop: asked five times a second; a reason ends the command.
        leave_s: longest wait for the end of a stopped command; then it is left to its watchdog, which gives it all of
            `grace_s`. None waits for its end.
        locks: descriptors of lock files, which the watchdog holds too: as long as anything of the command lives.

    Raises:
        StageFailed: exit code other than 0, or timeout; with the last lines of output and the log path.
        StageStopped: `stop` gave a reason.
        StagePaused: exit code `PAUSED`.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # -P: this folder must not come first on the watchdog's import path
    watchdog = [sys.executable, "-P", str(Path(__file__).resolve()), "--watch", "--grace-s", str(grace_s)]
    deadline_s = time.monotonic() + timeout_s

    def hear(line: str) -> None:
        nonlocal deadline_s
        if on_line is not None and on_line(line) is True:
            deadline_s = time.monotonic() + timeout_s

    lines = _Tail(log_path, hear)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*watchdog, "--", *command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=locks,
        )
    why, kind = None, StageFailed
    try:
        while process.poll() is None and why is None:
            time.sleep(POLL_S)
            lines.read()
            if time.monotonic() > deadline_s:
                why = f"ran longer than the {timeout_s:g} s it is allowed (of a stage: timeout_minutes in its recipe)"
            elif stop is not None and (reason := stop()):
                why, kind = f"was stopped: {reason}", StageStopped
    finally:
        ended = _end(process, grace_s, leave_s if kind is StageStopped else None)
    lines.read(last=True)
    if not ended:
        why = f"{why}; it still saves, and is ended {grace_s:g} s after it was told, while nothing waits for it"
    if why is None and process.returncode == PAUSED:
        why, kind = f"paused itself (exit code {PAUSED})", StagePaused
    if why is None and process.returncode != 0:
        why = f"ended with exit code {process.returncode}, expected 0"
    if why is not None:
        last = "\n".join(f"  | {line}" for line in lines.last)
        raise kind(f"`{' '.join(command[:12])} …` {why}.\n{last}\nThe whole log: {log_path}")


class _Tail:
    """Reads what a process appends to its log file; the process writes there itself, so nothing is lost with us."""

    def __init__(self, path: Path, on_line: Callable[[str], None]):
        self._path, self._on_line, self._rest = path, on_line, b""
        self._offset = path.stat().st_size if path.exists() else 0
        self.last: list[str] = []

    def read(self, *, last: bool = False) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            chunk = log.read()
        self._offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if last and self._rest:
            lines.append(self._rest)
        for raw in lines:
            line = raw.decode(errors="replace").rsplit("\r", 1)[-1]
            self.last = [*self.last[1 - LAST_LINES :], line]
            self._on_line(line)


def _end(process: subprocess.Popen, grace_s: float, leave_s: float | None) -> bool:
    """Close the watchdog's pipe, so that it ends its command, and end what it left if it was killed itself.

    Returns:
        Whether all has ended; not always after `leave_s`, and always where that is None.
    """
    assert process.stdin is not None, "the watchdog is started with a pipe"
    process.stdin.close()
    try:
        process.wait(grace_s + 10 if leave_s is None else leave_s)
    except subprocess.TimeoutExpired:
        if leave_s is not None:
            return False
        process.kill()
        process.wait()
    if process.returncode < 0:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return True


def watch(command: Sequence[str], *, grace_s: float) -> int:
    """Run a command until it ends or standard input closes; then end every process below this one.

    Returns:
        The command's exit code; 128 + signal if a signal (or we) ended it, as shells do.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signals: list[int] = []
    # a function, not SIG_IGN: an ignored signal stays ignored in the command, and nothing could end it gently
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: signals.append(number))
    child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    while child.poll() is None and not signals:
        if select.select([sys.stdin], [], [], POLL_S)[0]:
            break
    # taken before the sweep, which reaps the command too when it is still running
    code = child.poll()
    _end_descendants(grace_s)
    if code is None:
        return 128 + signal.SIGTERM
    return code if code >= 0 else 128 - code


def _end_descendants(grace_s: float) -> None:
    me = psutil.Process()
    below = me.children(recursive=True)
    _send(below, "terminate")
    psutil.wait_procs(below, timeout=grace_s)
    # again until none is left: a process may have started another between two looks
    while below := me.children(recursive=True):
        _send(below, "kill")
        psutil.wait_procs(below, timeout=1)


def _send(processes: list[psutil.Process], method: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            getattr(process, method)()


def main() -> int:
    """Be the watchdog of one command."""
    parser = argparse.ArgumentParser(description="Run a command that ends when standard input closes.")
    parser.add_argument("--watch", action="store_true", required=True)
    parser.add_argument("--grace-s", type=float, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    return watch(arguments.command[1:], grace_s=arguments.grace_s)


if __name__ == "__main__":
    sys.exit(main())
