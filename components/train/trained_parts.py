"""A checkpoint for others, without what its stage did not train."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file

from components.models import checkpoint_files
from components.models.backbone import part_of
from components.train import plan


def keep(checkpoint: Path, to: Path, world: Mapping[str, float]) -> Path:
    """Copy a finished base stage without the parts that it did not train: they are fresh, and most of its bytes.

    Args:
        checkpoint: folder of the stage.
        to: folder to write.
        world: the values of params/data.yaml that it was made from.

    Raises:
        ValueError: the checkpoint was not trained here.
    """
    made = plan.checked(checkpoint, whole=True)
    if "adopted" in made:
        raise ValueError(f"{checkpoint} is itself a copy ({made['adopted']['why']}): remove it, and run this again")
    weights = to / "model" / "model.safetensors"
    shutil.copytree(checkpoint / "model", weights.parent)
    shutil.copy2(checkpoint / "history.jsonl", to)
    # `contrastive` copies the tower that it trained to the other view
    trained = {*made["trained"], *(["exo_encoder"] if "ego_encoder" in made["trained"] else [])}
    kept = {name: value for name, value in load_file(weights).items() if part_of(name) in trained}
    save_file(kept, weights, metadata={"format": "pt"})
    checkpoint_files.finish(to, made | {"world": world})
    return to
