"""What makes dvc.lock true: a stage of dvc.yaml runs alone, on inputs that stay, and shares no file with the cache.

DVC hashes the inputs of a stage when it has ended. What was edited meanwhile would stand in dvc.lock as what the stage
read, and `dvc status` would call its outputs up to date. And where the cache is linked into the workspace (hard links,
symbolic links), a stage that is run by hand would write into the cache itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from components.records.single_writer import LOCKS, single_writer

GRAPH = "dvc.yaml"
_CODE = "components"
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox"}


@contextmanager
def guarded(name: str, project: Path) -> Generator[None]:
    """Run the body of a stage so that dvc.lock may vouch for it.

    It ends with the `dvc repro` that started it, and no other process may make the same stage meanwhile.

    Args:
        name: of the stage.
        project: folder of dvc.yaml; where there is none, or no such stage, nothing vouches and nothing is compared.

    Raises:
        ValueError: what the stage reads changed while it ran, so that DVC must not record it; or another process makes
            it (`single_writer.BusyError`).
    """
    if "DVC_STAGE" in os.environ:
        _end_with_repro()
    graph = project / GRAPH
    stage = (YAML(typ="safe").load(graph.read_text())["stages"].get(name) or {}) if graph.is_file() else {}
    with single_writer(project / LOCKS / f"data-{name}.lock", f"stage {name!r} of {GRAPH}"):
        for output in stage.get("outs", []):
            unlink_from_cache(project / _path(output))
        before = inputs(stage, project)
        yield
        after = inputs(stage, project)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise ValueError(
            f"{shown} changed while {name!r} ran. Its outputs are of no one state of its inputs, and {GRAPH}'s lock "
            f"must not vouch for them: run `dvc repro {name}` again"
        )


def inputs(stage: dict[str, Any], project: Path) -> dict[str, str]:
    """Return what a stage reads: name -> what it is now.

    Code and parameters count by their content, data by size and time of change: terabytes are not read twice.

    Args:
        stage: of dvc.yaml.
        project: folder of dvc.yaml.
    """
    found: dict[str, str] = {}
    for entry in stage.get("params", []):
        for file, keys in entry.items():
            values = YAML(typ="safe").load((project / file).read_text())
            found |= {f"{file}: {key}": json.dumps(_value(values, key), default=str) for key in keys}
    for dep in map(Path, stage.get("deps", [])):
        for path in _files(project / dep):
            is_code = dep.parts[0] == _CODE
            found[str(dep / path.relative_to(project / dep))] = _content(path) if is_code else _change(path)
    return found


def unlink_from_cache(output: Path) -> None:
    """Give an output of its own each file that is a link into the cache, or shares its bytes with it."""
    for path in _files(output):
        if not path.exists():  # a link to what the cache has no more
            path.unlink()
        elif path.is_symlink() or path.stat().st_nlink > 1:
            own = path.with_name(f"{path.name}.partial")
            shutil.copyfile(path, own)
            own.replace(path)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            if not folder.endswith("__pycache__"):
                yield from (Path(folder, name) for name in names)
    elif path.exists():
        yield path


def _path(output: str | dict[str, Any]) -> str:
    # an entry is a path, or a path with options such as `persist: true`
    return output if isinstance(output, str) else next(iter(output))


def _value(values: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _change(path: Path) -> str:
    try:
        seen = path.stat()
    except FileNotFoundError:  # a link to nothing
        return "nothing"
    return f"{seen.st_size} {seen.st_mtime_ns}"


def _end_with_repro() -> None:
    """End when `dvc repro` does, by a signal that lets pools of processes end theirs.

    DVC starts a step by the person's shell, and not every shell gives its place to the one program that it runs:
    parents that are shells are passed over.
    """
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    repro = next((parent for parent in psutil.Process().parents() if parent.name() not in _SHELLS), None)
    if repro is None:  # it ended before it could be found
        sys.exit(128 + signal.SIGTERM)
    ended = os.pidfd_open(repro.pid)

    def wait() -> None:
        select.select([ended], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="ends with dvc repro", daemon=True).start()
