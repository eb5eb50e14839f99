"""What says which code made a checkpoint, and from which others. No torch."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


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
