"""What dvc.yaml says, and what DVC would run; runs nothing. No Prefect."""

from __future__ import annotations

import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from components.train import plan

DVC = [sys.executable, "-m", "dvc"]
WRITTEN = Path(".dvc/tmp/rwlock")
JUDGES = (
    "parameters"  # stage that judges params/data.yaml: what it writes is always the same, so no other is stale by it
)


def digest() -> str:
    """Return the digest of the dataset as dvc.lock has it."""
    return plan.dataset_digest(Path("dvc.lock"))


def stage_names(dvc_yaml: Path) -> list[str]:
    """Return the stages of dvc.yaml, each after those that make what it reads.

    `dvc repro --single-item` looks at one stage only, so the order is ours to keep.
    """
    return list(TopologicalSorter(_needs(_stages(dvc_yaml))).static_order())


def _stages(dvc_yaml: Path) -> dict[str, dict]:
    """Return the stages of dvc.yaml as they stand there.

    Raises:
        ValueError: there is no dvc.yaml or no stage in it.
    """
    stages = (YAML(typ="safe").load(dvc_yaml.read_text()) or {}).get("stages") if dvc_yaml.is_file() else None
    if not stages:
        raise ValueError(f"{dvc_yaml.resolve()} has no stages. Start this from the project root, where dvc.yaml is.")
    return stages


def _needs(stages: dict[str, dict]) -> dict[str, set[str]]:
    """Return stage -> the stages that make what it reads."""
    makers = {path: name for name, stage in stages.items() for path in _paths(stage, "outs")}
    return {
        name: {
            maker
            for path in _paths(stage, "deps")
            for out, maker in makers.items()
            if maker != name and (path == out or out in path.parents or path in out.parents)
        }
        for name, stage in stages.items()
    }


def _paths(stage: dict, which: str) -> list[Path]:
    # an entry is a path, or a path with options such as `cache: false`
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in stage.get(which, [])]


def stale() -> list[str]:
    """Return the stages that would run, in order: those whose inputs or outputs changed, and all that read them.

    A stage that runs at this moment is one of them: DVC looks at nothing that it writes before it has ended.

    Raises:
        RuntimeError: DVC cannot say what is stale.
    """
    stages = _stages(Path("dvc.yaml"))
    needs = _needs(stages)
    order = list(TopologicalSorter(needs).static_order())
    changed = _running(stages)
    for name in order:
        if needs[name] & changed:
            changed.add(name)
    known = [name for name in order if name not in changed]
    if known:
        changed |= _changed(known if changed else [])
    for name in order:
        if needs[name] & changed - {JUDGES}:
            changed.add(name)
    return [name for name in order if name in changed]


def _changed(names: list[str]) -> set[str]:
    """Return those of some stages, of all where none is named, that differ from what dvc.lock has."""
    status = subprocess.run([*DVC, "status", "--json", *names], capture_output=True, text=True, check=False)
    if status.returncode != 0:
        raise RuntimeError(f"`dvc status` ended with exit code {status.returncode}:\n{status.stderr.strip()}")
    return set(json.loads(status.stdout or "{}"))


def _running(stages: dict[str, dict]) -> set[str]:
    """Return the stages that a `dvc` runs now: it keeps a list of what it writes, for others of its kind."""
    if not WRITTEN.is_file():
        return set()
    written = json.loads(WRITTEN.read_text()).get("write", {})
    busy = {Path(path) for path, owner in written.items() if psutil.pid_exists(owner["pid"])}
    return {name for name, stage in stages.items() if any(Path.cwd() / out in busy for out in _paths(stage, "outs"))}
