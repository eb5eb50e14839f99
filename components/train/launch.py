"""Start a training process through the DeepSpeed launcher and make sure that nothing of it outlives us. No torch.

A supervised command runs below a watchdog (`python -m components.train.launch --watch`) in a session of its own. The
watchdog holds the reading end of a pipe from us: when we die, even by SIGKILL, the pipe closes and it ends every
process below it. It adopts orphans (a rank whose launcher died), so none is missed.

PR_SET_PDEATHSIG would be shorter, but it fires when the *thread* that started the child ends, and Prefect runs tasks
in a pool of threads.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
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


def command(
    *,
    recipe: Path,
    stage: str,
    ranks: int,
    parents: Mapping[str, Path],
    data: Path,
    output: Path,
    run_id: str,
    provenance: Mapping[str, str | None],
) -> list[str]:
    """Give the command line of one training stage on `ranks` local processes.

    Args:
        recipe: YAML of the whole training run.
        stage: name of the stage in it.
        ranks: training processes (GPUs, or CPU processes).
        parents: part of the model -> checkpoint folder that gives it.
        data: folder of the data graph's outputs.
        output: checkpoint folder to write.
        run_id: MLflow run that the stage logs into.
        provenance: key, digests and commit, kept in the checkpoint.
    """
    # the launcher's part for one node: its part for many imports torch once more to find out that this is the one
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(range(ranks))}).encode()).decode()
    launcher = [sys.executable, "-m", "components.train.launcher", "--world_info", world]
    launcher += ["--master_addr", "127.0.0.1", "--master_port", str(_free_port()), "--no_local_rank"]
    words = arguments(
        recipe=recipe, stage=stage, parents=parents, data=data, output=output, run_id=run_id, provenance=provenance
    )
    return [*launcher, "--module", "components.train", *words]


def arguments(
    *,
    recipe: Path,
    stage: str,
    parents: Mapping[str, Path],
    data: Path,
    output: Path,
    run_id: str,
    provenance: Mapping[str, str | None],
) -> list[str]:
    """Give what every rank of a stage is told, on whatever hosts it runs; see `command`."""
    words = ["--recipe", str(recipe), "--stage", stage, "--data", str(data), "--output", str(output)]
    words += ["--parents", json.dumps({part: str(path) for part, path in parents.items()}), "--run-id", run_id]
    return [*words, "--provenance", json.dumps(dict(provenance))]


def environment(root: Path, *, threads: int) -> dict[str, str]:
    """Give the environment of a training or evaluation process: ours, and what the stack needs.

    Args:
        root: project root; compiled DeepSpeed extensions are kept below it.
        threads: OpenMP threads of each rank.
    """
    env = {
        **os.environ,
        # DeepSpeed compiles with the ninja of the same virtual environment
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        **settings(root, threads=threads),
    }
    if not has_gpu():
        env["DS_ACCELERATOR"] = "cpu"
    return env


def settings(root: Path, *, threads: int) -> dict[str, str]:
    """Give the variables that the stack needs on every host; see `environment`."""
    return {
        "OMP_NUM_THREADS": str(threads),
        # threads that wait spin for some microseconds, not milliseconds: an evaluation shares the cores
        "GOMP_SPINCOUNT": "30000",
        "TORCH_EXTENSIONS_DIR": str(root / ".cache" / "torch_extensions"),
        # a step frees and asks again for tensors of some MB all the time: glibc would hand them back to the kernel,
        # which clears their pages anew
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
        # DeepSpeed compiles Muon's few small products, which takes longer than they do
        "TORCH_COMPILE_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONUNBUFFERED": "1",
    }


def has_gpu() -> bool:
    """Say whether this machine has an NVIDIA GPU that we may use (DS_ACCELERATOR=cpu forbids it)."""
    return os.environ.get("DS_ACCELERATOR") != "cpu" and any(Path("/proc/driver/nvidia/gpus").glob("*"))


def supervise(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    log_path: Path,
    timeout_s: float,
    cwd: Path | None = None,
    grace_s: float = 10.0,
    on_line: Callable[[str], None] | None = None,
    stop: Callable[[], str | None] | None = None,
) -> None:
    """Run a command to its end; leave no process of it behind, however we or it end.

    Args:
        command: program and arguments.
        env: its whole environment.
        log_path: file that takes its output (appended).
        timeout_s: wall clock, seconds.
        cwd: working directory.
        grace_s: seconds between SIGTERM and SIGKILL.
        on_line: called with each finished line of output.
        stop: asked five times a second; a reason ends the command.

    Raises:
        StageFailed: exit code other than 0, or timeout; with the last lines of output and the log path.
        StageStopped: `stop` gave a reason.
        StagePaused: exit code `PAUSED`.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # -P: this folder must not come first on the watchdog's import path
    watchdog = [sys.executable, "-P", str(Path(__file__).resolve()), "--watch", "--grace-s", str(grace_s)]
    lines = _Tail(log_path, on_line)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*watchdog, "--", *command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline_s = time.monotonic() + timeout_s
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
        _end(process, grace_s)
    lines.read(last=True)
    if why is None and process.returncode == PAUSED:
        why, kind = f"paused itself (exit code {PAUSED})", StagePaused
    if why is None and process.returncode != 0:
        why = f"ended with exit code {process.returncode}, expected 0"
    if why is not None:
        last = "\n".join(f"  | {line}" for line in lines.last)
        raise kind(f"`{' '.join(command[:12])} …` {why}.\n{last}\nThe whole log: {log_path}")


class _Tail:
    """Reads what a process appends to its log file; the process writes there itself, so nothing is lost with us."""

    def __init__(self, path: Path, on_line: Callable[[str], None] | None):
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
            if self._on_line is not None:
                self._on_line(line)


def _end(process: subprocess.Popen, grace_s: float) -> None:
    """Close the watchdog's pipe, so that it ends its command, and end what it left if it was killed itself."""
    process.stdin.close()
    try:
        process.wait(grace_s + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode < 0:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def watch(command: Sequence[str], *, grace_s: float) -> int:
    """Run a command until it ends or standard input closes; then end every process below this one.

    Returns:
        The command's exit code; 128 + signal if a signal (or we) ended it, as shells do.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    told: list[int] = []
    # a function, not SIG_IGN: an ignored signal stays ignored in the command, and nothing could end it gently
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    while child.poll() is None and not told:
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


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


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
