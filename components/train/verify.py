"""Whether what lies on disk is what was written: every digest of a checkpoint or a frame store. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from components.data.frames import contract
from components.models import checkpoint_files
from components.models.checkpoint_files import DamagedError
from components.train.safety import resumable

State = Literal["good", "warning", "wrong"]
Told = list[tuple[str, str]]  # what was seen, and what to do


def of_project(root: Path) -> list[Path]:
    """Return the folders of a project that can be verified: checkpoints, finished or not, and the frame store."""
    checkpoints = sorted([*root.glob("checkpoints/*"), *root.glob("infra/base_models/*")])
    finished = [folder for folder in checkpoints if (folder / "model").is_dir() or _record(folder).is_file()]
    resumables = sorted(root.glob("checkpoints/*/trainer/checkpoint-*"))
    frames = root / "data/frames"
    return [*finished, *resumables, *([frames] if (frames / contract.CONTRACT).is_file() else [])]


def look(folder: Path) -> tuple[State, Told]:
    """Compare all digests of a folder.

    Args:
        folder: of a finished checkpoint, a resumable one (checkpoint-<step>) or a frame store.

    Returns:
        "good", "wrong", or "warning" where nothing says what it should be; and what was seen, with what to do.
    """
    if (folder / contract.CONTRACT).exists():
        return _frames(folder)
    if folder.name.startswith("checkpoint-"):
        why = resumable.problem(folder, whole=True)
        remedy = "run the pipeline again: the stage goes on from the checkpoint before"
        return ("wrong", [(why, remedy)]) if why else ("good", [("can be resumed", "")])
    if not folder.is_dir() or not ((folder / "model").is_dir() or _record(folder).exists()):
        allowed = "name a finished checkpoint, a resumable one (trainer/checkpoint-…) or a frame store (data/frames)"
        return "wrong", [("is none of what can be verified", allowed)]
    try:
        made = checkpoint_files.check(folder, whole=True)
    except DamagedError as error:
        return "wrong", [
            (f"{one.file.name} {one.seen}, it should be {one.wanted}", one.remedy) for one in error.damages
        ]
    if "files" not in made:
        return "warning", [("has no digests, an earlier version wrote it", "only the weights' headers were looked at")]
    return "good", [(f"{len(made['files'])} files as the stage left them", "")]


def _frames(folder: Path) -> tuple[State, Told]:
    try:
        files = contract.read(folder)["files"]
        damaged = list(contract.problems(folder, files))
    except contract.DamagedFramesError as error:
        damaged = str(error).splitlines()
    if damaged:
        return "wrong", [(seen, remedy) for seen, _, remedy in (told.partition(": ") for told in damaged)]
    return "good", [(f"{len(files)} files as the stage `frames` left them", "")]


def _record(folder: Path) -> Path:
    return folder / checkpoint_files.RECORD
