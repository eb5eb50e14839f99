"""A shipped base model (components/train/shipped.py) stands where the checkpoint of its stage belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.train import shipped
from flows import adopt

if TYPE_CHECKING:
    from components.params import Stage
    from flows.tasks import Job


def place(job: Job, stage: Stage) -> str | None:
    """Put the shipped model of a stage where its checkpoint belongs.

    Args:
        job: recipe and keys.
        stage: one of it, not finished.

    Returns:
        Why it stands there; None where none is shipped for what the stage asks for, or the stage is begun already.
    """
    checkpoint = job.checkpoint(stage.name)
    if checkpoint.exists() or (made := shipped.find(job.root, job.recipe, stage)) is None:
        return None
    differs = adopt.differences(made, job, stage.name)
    of_stage = {"stage_key": job.keys[stage.name]}
    adopt.copy(job.root / shipped.FOLDER / stage.name, checkpoint, made, of_stage, shipped.WHY, differs)
    return shipped.WHY
