"""Freezing, adapters and the folder that a finished stage leaves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel, ProcessorMixin

from components import params
from components.models import checkpoint_files
from components.models.backbone import PARTS, part_of

_LINEAR = r".*language_model\.layers\..*_proj"


def prepare(
    model: PreTrainedModel,
    learning_rates: dict[str, float],
    lora: params.Lora | None,
    parts: dict[str, tuple[str, ...]] = PARTS,
) -> None:
    """Freeze everything but the trained parts, and put fresh adapters on the parts that get some.

    Args:
        model: changed in place.
        learning_rates: part -> learning rate; these parts are trained whole.
        lora: which parts get adapters, and of which rank; None for none.
        parts: of the model: name -> beginnings of its parameters' names.

    Raises:
        ValueError: `learning_rates` or `lora` names what is no part or has no parameters in this model, or a part is
            trained beside its adapters.
    """
    adapted = lora.learning_rates if lora else {}
    for block, named in (("learning_rates", learning_rates), ("lora.learning_rate", adapted)):
        if unknown := sorted(set(named) - set(parts)):
            raise ValueError(f"`{block}` names {unknown}, allowed are {sorted(parts)}; mend the recipe")
    if both := sorted(learning_rates.keys() & adapted.keys()):
        raise ValueError(f"`lora` and `learning_rates: {', '.join(both)}` exclude one another; mend the recipe")
    if missing := sorted({*learning_rates, *adapted} - {part_of(name, parts) for name, _ in model.named_parameters()}):
        raise ValueError(
            f"`learning_rates` or `lora` names {missing}, of which this model has no parameters; mend the recipe (with "
            "`shared_encoder` both views have the ego encoder)"
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name, parts) in learning_rates)
    if lora is not None:
        names = [
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and _takes_adapter(name, adapted, parts)
        ]
        config = LoraConfig(r=lora.r, lora_alpha=lora.lora_alpha, lora_dropout=lora.lora_dropout, target_modules=names)
        # injection leaves the class and the other parts' flags as they are; a PeftModel would freeze and hide them
        frozen = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
        inject_adapter_in_model(config, model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name or frozen.get(name.replace(".base_layer", ""), False))


def _takes_adapter(module: str, adapted: Collection[str], parts: dict[str, tuple[str, ...]]) -> bool:
    """Return whether a linear layer gets an adapter; of the language model its head and what places frames get none."""
    part = part_of(f"{module}.weight", parts)
    return part in adapted and (part != "language_model" or bool(re.fullmatch(_LINEAR, module)))


def count_trained(model: nn.Module, parts: dict[str, tuple[str, ...]] = PARTS) -> dict[str, int]:
    """Return how many parameters of each part are trained; those of its adapters stand under `<part> (LoRA)`.

    Args:
        model: with its frozen parts marked, before ZeRO-3 spreads it.
        parts: of the model: name -> beginnings of its parameters' names.
    """
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = part_of(name, parts) + (" (LoRA)" if "lora_" in name else "")
            counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


@torch.no_grad()
def merge_adapters(model: nn.Module) -> None:
    """Add every adapter to its base layer and put the plain layer back."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())


def gather(model: nn.Module) -> None:
    """Make weights whole that ZeRO-3 has spread over the ranks, for good; every rank must call it, training is over."""
    spread = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_id")]
    if spread:
        import deepspeed  # a dry run does without its two seconds

        deepspeed.zero.GatheredParameters(spread).__enter__()


def save(model: PreTrainedModel, processor: ProcessorMixin, output: Path, provenance: dict) -> None:
    """Write the finished checkpoint: `model/` (Hugging Face, safetensors), then `stage.json`, which marks it whole.

    Args:
        model: its weights; what ZeRO-3 has spread must be whole again (`gather`).
        processor: written beside them.
        output: the checkpoint folder.
        provenance: content of stage.json, beside the digests of the files.
    """
    merge_adapters(model)
    model.save_pretrained(output / "model", safe_serialization=True)
    processor.save_pretrained(output / "model")
    checkpoint_files.finish(output, provenance)
    # not before: killed between the two, the stage would start anew
    shutil.rmtree(output / "trainer", ignore_errors=True)
