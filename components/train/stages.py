"""What differs between the algorithms: the wrapped model, its data, its losses. One function each, one dict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn
from torch.utils.data import Dataset
from transformers import CLIPVisionConfig, TrainerCallback

from components import params
from components.data.frames import contract_of
from components.models import build
from components.models.configuration import EgoflowConfig
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor
from components.train import contrastive, supervised, text
from components.train.batch import Collate, SampleDataset
from components.train.trainer import Losses, optimiser_groups

Parts = tuple[nn.Module, Dataset, Callable, Losses, list[TrainerCallback]]


def fresh_processor(model: params.Model, data: params.Data) -> EgoflowProcessor:
    """Make the processor of a stage without parents: the tokenizer is trained on the world's text."""
    vision = CLIPVisionConfig(image_size=model.image_px, patch_size=model.patch_px)
    limits = {"image_tokens": model.image_tokens, "video_tokens": model.video_tokens}
    tokenizer = text.tokenizer(EgoflowConfig(vision_config=vision, tubelet_frames=model.tubelet_frames, **limits), data)
    return build.processor_for(build.tiny_config(model, tokenizer), tokenizer)


def contract(data: params.Data) -> str:
    """Give the digest of the sampling contract: how frames are taken from video, and at what size."""
    return contract_of(data.frames)["digest"]


def samples(stage: params.Stage, data: params.Data, folder: Path) -> SampleDataset:
    """Open the samples of a stage that trains on the dataset."""
    return SampleDataset(
        folder,
        stage.mixture,
        steps=stage.steps,
        epochs=stage.epochs,
        batch=stage.batch,
        turns=stage.turns,
        seed=stage.seed,
        guidance=stage.guidance,
        paired=bool(set(stage.losses) - {"vtg"}),
        contract=contract(data),
    )


def counted(stage: params.Stage, dataset: Dataset) -> params.Stage:
    """Give the stage with the steps that its dataset holds, where the recipe counts epochs."""
    return stage if stage.epochs is None else stage.model_copy(update={"steps": dataset.steps, "epochs": None})


def ledger(dataset: Dataset, steps: int) -> str | None:
    """Give the digest of what the first `steps` steps saw; None for a base stage, whose seed makes its samples."""
    return dataset.ledger(steps) if isinstance(dataset, SampleDataset) else None


def seen_by(dataset: Dataset, step: int) -> str:
    """Name in words what a step (counted from 0) learns from."""
    if isinstance(dataset, SampleDataset):
        return f"sample ids {', '.join(sample for item in dataset.ids(step) for sample in item)}"
    return f"items {step * dataset.batch} to {(step + 1) * dataset.batch - 1} of seed {dataset.seed}"


def groups(model: nn.Module, stage: params.Stage) -> list[dict]:
    """The optimiser groups of a stage."""
    lora_rate = stage.lora.lr if stage.lora else None
    return optimiser_groups(
        model, stage.train, lora_rate=lora_rate, weight_decay=stage.weight_decay, muon_rate=stage.muon
    )


def _text(model, processor, stage, architecture, data, folder, log) -> Parts:
    config: EgoflowConfig = model.config
    dataset = text.TextDataset(config, data, steps=stage.steps, batch=stage.batch, seed=stage.seed)
    held_out = text.held_out(config, data, text.GATE_SAMPLES, seed=text.HELD_OUT_SEED)
    callbacks = [text.Gate(processor, held_out, stage.gate, log)] if stage.gate else []
    return model, dataset, text.CollateText(processor), text.losses(config), callbacks


def _contrastive(model, processor, stage, architecture, data, folder, log) -> Parts:
    dataset = contrastive.ImageDataset(
        stage.images,
        steps=stage.steps,
        batch=stage.batch,
        seed=stage.seed,
        frames=architecture.tubelet_frames,
        size_px=architecture.image_px,
        render_px=data.world.size_px,
        grid=model.config.vision_grid,
    )
    return contrastive.Contrastive(model), dataset, contrastive.collate, contrastive.losses, []


def _supervised(model: EgoflowForConditionalGeneration, processor, stage, architecture, data, folder, log) -> Parts:
    dataset = samples(stage, data, folder)
    return model, dataset, Collate(model.config, processor), supervised.losses(stage.losses), []


ALGORITHMS: dict[str, Callable[..., Parts]] = {
    "text": _text,
    "contrastive": _contrastive,
    "supervised": _supervised,
}
