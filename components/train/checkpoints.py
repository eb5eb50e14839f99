"""Freezing, adapters, resumable checkpoints and the folder that a finished stage leaves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from components import params
from components.models.backbone import PARTS, part_of
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor
from components.train import failures

_LINEAR = r".*language_model\.layers\..*_proj"


def prepare(
    model: PreTrainedModel,
    train: dict[str, float],
    lora: params.Lora | None,
    parts: dict[str, tuple[str, ...]] = PARTS,
) -> None:
    """Freeze everything but the parts in `train`, and put fresh adapters on the language model if asked.

    Raises:
        ValueError: `train` names what is no part, or trains the language model beside its adapters.
    """
    if unknown := sorted(set(train) - set(parts)):
        raise ValueError(f"`train` names {unknown}, allowed are {sorted(parts)}; mend the recipe")
    if lora is not None and "language_model" in train:
        raise ValueError("`lora` and `train: language_model` exclude one another; mend the recipe")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name, parts) in train)
    if lora is not None:
        names = [
            name
            for name, module in model.named_modules()
            if re.fullmatch(_LINEAR, name) and isinstance(module, nn.Linear)
        ]
        config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names)
        # injection leaves the class and the other parts' flags as they are; a PeftModel would freeze and hide them
        frozen = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
        inject_adapter_in_model(config, model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name or frozen.get(name.replace(".base_layer", ""), False))


@torch.no_grad()
def merge_adapters(model: nn.Module) -> None:
    """Add every adapter to its base layer and put the plain layer back."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())


def last_resumable(folder: Path) -> Path | None:
    """Give the newest complete trainer checkpoint below `folder`; remove half-written ones (killed while saving)."""
    found = []
    for path in folder.glob("checkpoint-*"):
        if failures.is_whole(path):
            found.append(path)
        else:
            # every rank looks here, and another may be quicker
            shutil.rmtree(path, ignore_errors=True)
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def save(model: EgoflowForConditionalGeneration, processor: EgoflowProcessor, output: Path, provenance: dict) -> None:
    """Write the finished checkpoint: `model/` (Hugging Face, safetensors), then `stage.json`: it is whole."""
    merge_adapters(model)
    model.save_pretrained(output / "model", safe_serialization=True)
    processor.save_pretrained(output / "model")
    partial = output / "stage.json.partial"
    partial.write_text(json.dumps(provenance, indent=2, default=str))
    partial.rename(output / "stage.json")
    # not before: killed between the two, the stage would start anew
    shutil.rmtree(output / "trainer", ignore_errors=True)
