"""What says which code and libraries made a checkpoint, and from which others. No torch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from components.tracking.code import code_of

# what the numbers of a stage go through
LIBRARIES = ("torch", "transformers", "accelerate", "deepspeed", "peft", "trl", "vllm", "numpy")
_BEGUN_BY = "code.json"


def git_commit(root: Path) -> str:
    """Return the commit of the working tree, with `-dirty` where files differ; `none` outside a repository."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)

    head = git("rev-parse", "HEAD")
    if head.returncode != 0:
        return "none"
    return head.stdout.strip() + ("-dirty" if git("status", "--porcelain").stdout.strip() else "")


def recorded(folder: Path) -> Path:
    """Return a folder as it is recorded: relative to the project folder (the working one) where it lies below it."""
    whole, project = folder.absolute(), Path.cwd()
    return whole.relative_to(project) if whole.is_relative_to(project) else whole


def recorded_parents(folders: Mapping[str, str]) -> dict[str, str]:
    """Return the parents of a stage as stage.json holds them, so that a project folder can be moved or copied."""
    return {part: recorded(Path(folder)).as_posix() for part, folder in folders.items()}


def of_training(trainer: Path, code: Mapping[str, str]) -> dict[str, object]:
    """Return what stage.json says of this process, and note its code for one that goes on where this one stops.

    Args:
        trainer: folder of what a stage needs to be resumed; made where it is not there.
        code: as `code_of` takes it, of the code that trains now.

    Returns:
        `libraries`, name -> version; and where other code began the stage, `code_before`: what `code_of` returned of
        each, oldest first.
    """
    noted, now = trainer / _BEGUN_BY, code_of(code)
    known = json.loads(noted.read_text()) if noted.is_file() else []
    before = [one for one in known if one != now]
    trainer.mkdir(parents=True, exist_ok=True)
    partial = noted.with_suffix(".partial")
    partial.write_text(json.dumps([*before, now]))
    partial.rename(noted)
    return {"libraries": libraries()} | ({"code_before": before} if before else {})


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that numbers go through, of those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
