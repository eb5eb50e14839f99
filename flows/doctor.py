"""Look at this machine before it works: what is missing or wrong, why it matters, and the command that mends it.

Run as: python -m flows.doctor [--verify [FOLDER ...]]

With --verify it looks at finished checkpoints, resumable ones and frame stores instead: every digest is compared.
Ends with 1 where something fails; a warning is what works, and slowly or only here.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

from components import SWITCHES
from flows import options

State = Literal["good", "warning", "wrong"]
GIB = 2**30
PINNED = ("deepspeed", "dvc", "great-expectations", "mlflow", "peft", "prefect", "torch", "transformers", "trl")
MEMORY_GIB = 6  # of `make demo`, measured
DISK_GIB = 8  # of `make demo` with its environment
SHARED_GIB = 1  # NCCL and the workers of a loader put their buffers there
SKEW_S = 5.0
REFLINK = 0x40049409  # FICLONE of <linux/fs.h>


@dataclass(frozen=True)
class Finding:
    """What was looked at.

    Attributes:
        name: of it.
        state: "good"; "warning": it works, and slowly or only here; "wrong": something will fail.
        seen: what there is.
        remedy: why it matters and what mends it; "" where it is good.
    """

    name: str
    state: State
    seen: str
    remedy: str = ""


def python() -> Iterator[Finding]:
    """Look at the interpreter and at the packages that the lock names."""
    came = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] == (3, 11)
    yield Finding(
        "python", "good" if fits else "wrong", came, "" if fits else "3.11 is allowed: make PYTHON=python3.11"
    )
    lock = Path("requirements.lock")
    wanted = dict(re.findall(r"^([\w.-]+)==([^ \\]+)", lock.read_text(), re.MULTILINE)) if lock.is_file() else {}
    for name in PINNED:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "wrong", "not installed", "every step needs it: rm -rf .venv && make .venv/installed")
            continue
        other = name in wanted and found.split("+")[0] != wanted[name]
        remedy = f"tested with {wanted.get(name)}: rm -rf .venv && make .venv/installed" if other else ""
        yield Finding(name, "warning" if other else "good", found, remedy)


def compilers() -> Iterator[Finding]:
    """Look for the programs that steps start."""
    for program, why in {
        "git": "commits of code are recorded with every stage",
        "g++": "DeepSpeed compiles its CPU parts at the first stage",
        "ninja": "DeepSpeed compiles its CPU parts at the first stage",
    }.items():
        place = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        yield Finding(
            program, "good" if place else "wrong", place or "not found", "" if place else f"{why}: install it"
        )


def resources() -> Iterator[Finding]:
    """Look at cores, memory, disk, shared memory and GPUs."""
    from components.train import launch_command

    cores = len(os.sched_getaffinity(0))
    slow = "" if cores > 1 else "stages that could run side by side run one after another"
    yield Finding("cores", "warning" if slow else "good", str(cores), slow)
    free = {
        "memory": (psutil.virtual_memory().available, MEMORY_GIB, "end what else runs, or lower train_batch_size"),
        "disk": (shutil.disk_usage(".").free, DISK_GIB, "remove what `du -sh checkpoints data mlartifacts` shows"),
    }
    gpus = launch_command.gpus()
    if gpus and Path("/dev/shm").is_dir():
        free["shared memory"] = (shutil.disk_usage("/dev/shm").free, SHARED_GIB, "docker run --shm-size=8g")
    for name, (space, least, mends) in free.items():
        short = space < least * GIB
        remedy = f"the default recipe takes {least} GiB: {mends}" if short else ""
        yield Finding(name, "warning" if short else "good", f"{space / GIB:.1f} GiB free", remedy)
    yield Finding("GPUs", "good", f"{len(gpus)} of NVIDIA" if gpus else "none; everything runs on the CPU")


def file_system() -> Iterator[Finding]:
    """Try what DVC links its cache by, the locks that keep writers apart, and the clock of the file system."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".doctor-") as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        first.write_bytes(b"bytes")
        ways = [name for name, way in {"reflink": _reflink, "hardlink": os.link}.items() if _works(way, first, second)]
        remedy = "data lies on the disk twice, in the workspace and in .dvc/cache: take a file system with links"
        yield Finding("links", "good" if ways else "warning", ", ".join(ways) or "copies alone", "" if ways else remedy)
        locks = _works(_lock, first, second)
        remedy = "two runs could write one checkpoint: mount the folder with locks (NFS: nolock off)"
        yield Finding("locks", "good" if locks else "wrong", "held" if locks else "refused", "" if locks else remedy)
        skew_s = first.stat().st_mtime - time.time()
    off = abs(skew_s) > SKEW_S
    remedy = "times of runs and files would not fit: timedatectl set-ntp true, on this host and on the file server"
    yield Finding("clock", "warning" if off else "good", f"{skew_s:+.1f} s to the files", remedy if off else "")


def _reflink(one: Path, other: Path) -> None:
    with one.open("rb") as source, other.open("wb") as target:
        fcntl.ioctl(target, REFLINK, source.fileno())


def _lock(one: Path, _other: Path) -> None:
    with one.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _works(way: Callable[[Path, Path], object], one: Path, other: Path) -> bool:
    try:
        way(one, other)
    except OSError:
        return False
    finally:
        other.unlink(missing_ok=True)
    return True


def services() -> Iterator[Finding]:
    """Look whether the servers that the environment names answer, and whether libraries may report their use."""
    for name, variable in {"MLflow": "MLFLOW_TRACKING_URI", "Prefect": "PREFECT_API_URL"}.items():
        address = os.environ.get(variable, "")
        shown = _without_key(address)
        if not address.startswith("http"):
            yield Finding(name, "good", shown or f"{variable} is not set: without a server, below this folder")
            continue
        try:
            with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=5) as reply:
                yield Finding(name, "good", f"{shown} answers {reply.status}")
        except (OSError, ValueError, http.client.HTTPException) as error:  # not there, no address, another service
            remedy = f"runs cannot be recorded: start it (docs/operations.md), or unset {variable}"
            yield Finding(name, "wrong", f"{shown}: {error}", remedy)
    talks = [name for name, value in SWITCHES.items() if os.environ.get(name) != value]
    remedy = "libraries may report their use: set -a; . infra/env.example; set +a" if talks else ""
    yield Finding(
        "telemetry",
        "warning" if talks else "good",
        f"{', '.join(talks) or 'all'} {'unset' if talks else 'off'}",
        remedy,
    )


def _without_key(address: str) -> str:
    """Return an address without user and password, which belong on no screen."""
    scheme, mark, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    key, at, host = place.rpartition("@")
    return f"{scheme}{mark}{'…' if key else ''}{at}{host}{slash}{path}"


def verified(folders: list[Path]) -> Iterator[Finding]:
    """Compare the digests of everything that lies in some folders.

    Args:
        folders: of checkpoints and frame stores; none for all of this project.
    """
    from components.train import verify

    for folder in folders or verify.of_project(Path()):
        state, told = verify.look(folder)
        yield from (Finding(str(folder), state, seen, remedy) for seen, remedy in told)


def looked_at() -> list[Finding]:
    """Return everything that was looked at, in the order of the page."""
    looks = (python, compilers, resources, file_system, services)
    return [finding for look in looks for finding in look()]


def main() -> int:
    """Print what was found; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.doctor(parser)
    folders = parser.parse_args().verify
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    found = looked_at() if folders is None else list(verified(folders))
    table = Table(Column("what", overflow="fold"), "state", "seen", "why it matters, and what mends it", box=None)
    style = {"good": "green", "warning": "yellow", "wrong": "bold red"}
    for one in found:
        table.add_row(one.name, Text(one.state, style[one.state]), Text(one.seen), Text(one.remedy))
    Console().print(table)
    return int(any(one.state == "wrong" for one in found))


if __name__ == "__main__":
    sys.exit(main())
