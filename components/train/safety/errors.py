"""What a stage says when it cannot go on: what came, what is kept, what would fit. No torch."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from components.train.plan import ANSWERS_FILES
from components.train.safety import resumable

if TYPE_CHECKING:
    from components.params import Stage

MIB = 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# safetensors and torch write by themselves and raise errors of their own, in which only the words tell
_FULL_WORDS = (
    "No space left", "StorageFull", "File too large", "quota exceeded", "failed writing file", "unexpected pos",
)  # fmt: skip
_MEMORY_WORDS = ("can't allocate memory", "out of memory")
EXPLAINED = (OSError, RuntimeError, MemoryError, SafetensorError)  # `reraise` knows some of each


class TrainingError(RuntimeError):
    """Training stopped by itself; what was saved is whole, and the message says from where it goes on."""


def reraise(error: Exception, stage: Stage, output: Path) -> None:
    """Raise what an error means for a stage, where that is known; return where it is not.

    Args:
        error: as training raised it; those that it came from are looked at too.
        stage: of the recipe.
        output: its checkpoint folder.

    Raises:
        TrainingError: full disk, too little memory, or a `TrainingError` without stage and checkpoint.
    """
    if (words := _explain(error, stage, output)) is not None:
        raise TrainingError(words) from error


def _explain(error: Exception, stage: Stage, output: Path) -> str | None:
    if isinstance(error, TrainingError):
        return f"stage {stage.name!r}: {error} {kept(output)}"
    for each in _chain(error):
        words = str(each)
        if getattr(each, "errno", None) in _FULL or any(word in words for word in _FULL_WORDS):
            return (
                f"stage {stage.name!r}: the disk took no more while {output} was written, {_free(output)} are free"
                f" ({_first_line(words)}). {kept(output)} Free some space and run again: it goes on from there."
            )
        if isinstance(each, MemoryError) or any(word in words for word in _MEMORY_WORDS):
            return f"stage {stage.name!r} ran out of memory ({_first_line(words)}). {less_memory(stage)} {kept(output)}"
    return None


def less_memory(stage: Stage) -> str:
    """Say which values of a stage need less memory than those that it has."""
    # the loss of the one compares the samples of a batch with one another, the other answers whole batches
    if stage.algorithm in ("contrastive", "distill"):
        return f"What needs less, in the recipe: a smaller `train_batch_size` (now {stage.train_batch_size})."
    at_once = stage.per_device_train_batch_size or max(1, stage.train_batch_size // stage.ranks)
    ways = [f"`per_device_train_batch_size: {at_once // 2}` (now {at_once})"] if at_once > 1 else []
    ways += [] if stage.gradient_checkpointing else ["`gradient_checkpointing: true`"]
    ways += [f"more `ranks` (now {stage.ranks}) with `zero_stage: {max(stage.zero_stage, 2)}` or more"]
    return (
        f"What needs less, in the recipe: {'; '.join(ways)}. Of paper-scale recipes "
        "`python -m components.train --recipe … --dry-run` counts the memory."
    )


def kept(output: Path) -> str:
    """Say which resumable checkpoint a stage has, or the answers of one that asks a teacher."""
    if answers := sorted(output.glob(ANSWERS_FILES)):
        return f"Kept are the answers in {', '.join(map(str, answers))}."
    whole = resumable.newest(output / "trainer")
    return f"Kept is {whole}." if whole else "No resumable checkpoint was saved yet: a new run starts at step 0."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(words: str) -> str:
    return words.strip().split("\n")[0][:200]


def _free(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / MIB:.0f} MiB"
