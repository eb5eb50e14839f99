"""What says which code made a checkpoint. No torch."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_commit(root: Path) -> str:
    """Return the commit of the working tree, with `-dirty` where files differ; `none` outside a repository."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)

    head = git("rev-parse", "HEAD")
    if head.returncode != 0:
        return "none"
    return head.stdout.strip() + ("-dirty" if git("status", "--porcelain").stdout.strip() else "")
