"""The resumable checkpoints of a stage: which are whole, and what is wrong with the others. No torch.

The trainer keeps two. It writes trainer_state.json last; before that, the first rank notes the sizes of all files.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

KEPT = 2  # whatever happens to the newest, there is one before it
SIZES = "files.json"
_STATE = "trainer_state.json"


def note_sizes(checkpoint: Path) -> None:
    """Write the size of every file of a checkpoint, when all ranks have written theirs."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sizes = {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files}
    (checkpoint / SIZES).write_text(json.dumps(sizes, indent=2))


def problem(checkpoint: Path, *, whole: bool = False) -> str | None:
    """Return what is wrong with a resumable checkpoint, None where it is whole.

    Args:
        checkpoint: folder checkpoint-<step>.
        whole: compare the checksums inside the optimiser states, which reads all of them.
    """
    try:
        step = json.loads((checkpoint / _STATE).read_text())["global_step"]
        sizes = json.loads((checkpoint / SIZES).read_text())
    except (OSError, ValueError, KeyError) as error:
        return f"{_STATE}, which is written last, or {SIZES} is missing or cut off ({type(error).__name__})"
    if checkpoint.name != f"checkpoint-{step}":
        return f"{_STATE} is of step {step}"
    for name, size in sizes.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is gone"
        if (came := path.stat().st_size) != size:
            return f"{name} has {came:,} bytes, written were {size:,}"
        if not _can_be_read(path, whole=whole):
            return f"{name} cannot be read"
    if "latest" in sizes and not (checkpoint / (tag := (checkpoint / "latest").read_text().strip())).is_dir():
        return f"`latest` names {tag!r}, which is not there"
    return None


def _can_be_read(path: Path, *, whole: bool) -> bool:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "np"):
                return True
        if path.suffix in (".pt", ".pth"):  # torch.save writes a zip archive, whose directory stands at its end
            with zipfile.ZipFile(path) as archive:
                return not whole or archive.testzip() is None
    except (OSError, SafetensorError, zipfile.BadZipFile):
        return False
    return True


def newest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a stage; changes nothing, so that every rank may ask.

    Args:
        folder: `trainer` below the stage's folder.
    """
    return next((path for path in reversed(_by_step(folder)) if problem(path) is None), None)


def drop_damaged(folder: Path) -> str | None:
    """Remove the checkpoints that are not whole; return which, why, and where the stage goes on; None if none was.

    Args:
        folder: `trainer` below the stage's folder.
    """
    damaged = {path: why for path in _by_step(folder) if (why := problem(path)) is not None}
    if not damaged:
        return None
    for path in damaged:
        shutil.rmtree(path, ignore_errors=True)
    whole = newest(folder)
    told = "; ".join(f"{path.name}: {why}" for path, why in damaged.items())
    return f"{told}. Removed; goes on from {whole.name if whole else 'step 0, no other was saved'}"


def _by_step(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
