"""What differs between the algorithms: the wrapped model, its data, its losses. One function each, one dict."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from torch import nn
from transformers import CLIPVisionConfig, TrainerCallback

from components import params
from components.data.frames.step import contract_of
from components.models import build, pretrained_weights
from components.models.backbone import PARTS
from components.models.clip_features import FrozenFeatures
from components.models.configuration import EgoflowConfig
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor
from components.prompts.reasoned import THOUGHT_OF
from components.train import feature_cache, supervised, time_resolution
from components.train.dataset import Collate, SampleDataset
from components.train.grpo.paired_samples import PairedSamples
from components.train.ordered_dataset import OrderedDataset
from components.train.plan import WITHOUT_DATASET, frames_of
from components.train.pretraining import contrastive, language
from components.train.trainer import Losses, check_groups, optimiser_groups

if TYPE_CHECKING:
    from components.models.qwen_vl import QwenModel, QwenProcessor

logger = logging.getLogger(__name__)

Parts = tuple[nn.Module, OrderedDataset, Callable, Losses, list[TrainerCallback]]


def processor_of(model: params.Model | params.Egoflow, data: params.Data, parents: dict[str, Path]) -> EgoflowProcessor:
    """Return the processor of a stage: that of its language model, or a fresh one where no parent gives one.

    Args:
        model: block of the recipe.
        data: parameters of the data, whose words a fresh tokenizer learns.
        parents: part of the model -> checkpoint folder that gives it.
    """
    speaks = parents.keys() & {"all", "language_model"}
    if not parents or (isinstance(model, params.Egoflow) and not speaks):
        return fresh_processor(model, data)
    return build.load_processor(parents)


def fresh_processor(model: params.Model | params.Egoflow, data: params.Data) -> EgoflowProcessor:
    """Make the processor of a stage without parents: the tokenizer is downloaded, or trained on the world's text."""
    if isinstance(model, params.Egoflow):
        return pretrained_weights.processor(model)
    vision = CLIPVisionConfig(image_size=model.image_px, patch_size=model.patch_px)
    draft = EgoflowConfig(
        vision_config=vision,
        tubelet_frames=model.tubelet_frames,
        image_tokens=model.image_tokens,
        video_tokens=model.video_tokens,
    )
    tokenizer = language.tokenizer(draft, data)
    return build.processor_for(build.tiny_config(model, tokenizer), tokenizer)


def fill(made: EgoflowForConditionalGeneration, model: params.Model | params.Egoflow, parents: dict[str, Path]) -> None:
    """Put downloaded weights into the parts that no parent gives.

    Args:
        made: the model, changed in place.
        model: block of the recipe, which names the downloads.
        parents: part of the model -> checkpoint folder that gives it.
    """
    if isinstance(model, params.Egoflow) and "all" not in parents:
        base = {str(part): weights for part, weights in model.base.items()}
        pretrained_weights.fill(made, base, base.keys() - parents.keys())


def check_frames(stage: params.Stage, config: EgoflowConfig, data: params.Data) -> None:
    """Make sure that the frames are those that the model and the recipe are for.

    Args:
        stage: whose `max_frames` must not be more than the data has.
        config: of the model, whose encoders take frames of one size.
        data: parameters of the data, with the sampling contract's numbers.

    Raises:
        ValueError: the size or a number of frames of params/data.yaml differs.
    """
    if stage.algorithm in WITHOUT_DATASET:
        return
    if (size := config.vision_config.image_size) != data.frames.size_px:
        raise ValueError(
            f"the frames have {data.frames.size_px} px, the vision towers read {size} px and no other size: set "
            f"`frames.size_px: {size}` in params/data.yaml, or take towers of that size"
        )
    if stage.max_frames is None:
        return
    for key in stage.mixture:
        shown = frames_of(key.split("/")[1], data.frames)
        if shown != {stage.max_frames}:
            raise ValueError(
                f"stage {stage.name!r} wants {stage.max_frames} frames, {key} has {sorted(shown)}: set `frames` "
                "in params/data.yaml, for training and evaluation alike, or leave `max_frames` out of the stage"
            )


def qwen_model(model: params.Qwen, stage: params.Stage, parents: dict[str, Path]) -> tuple[QwenModel, QwenProcessor]:
    """Load the model that a stage starts from and its processor: the parent's, or those that `base` names.

    Args:
        model: block of the recipe.
        stage: whose `max_pixels` limits a frame.
        parents: "all" -> the parent's checkpoint folder, where there is one.
    """
    from components.models import qwen_vl

    folder = qwen_vl.folder_of(parents.get("all", model.base))
    return qwen_vl.load(folder, architecture=model.architecture), qwen_vl.load_processor(
        folder, pixels=stage.max_pixels
    )


def contract(data: params.Data) -> str:
    """Return the digest of the sampling contract: how frames are taken from video, and at what size."""
    return contract_of(data.frames)["digest"]


def samples(
    stage: params.Stage,
    data: params.Data,
    folder: Path,
    architecture: params.AnyModel | None = None,
    distilled: Path | None = None,
) -> SampleDataset:
    """Open the samples of a stage that trains on the dataset, as the recipe's architecture is shown them.

    Args:
        stage: whose mixture they are.
        data: parameters of the data.
        folder: outputs of the data graph.
        architecture: model block of the recipe; None for the miniature's.
        distilled: table of the samples that the stage's parent `samples` wrote.

    Raises:
        ValueError: the stage asks for more frames than the sampling contract gives, or shows too few of them to tell
            when anything happens.
    """
    shown = leave_out = None
    if isinstance(architecture, params.Qwen):
        from components.models import qwen_vl

        if stage.max_frames is not None and stage.max_frames > data.frames.window_frames:
            raise ValueError(
                f"stage {stage.name!r}: `max_frames` {stage.max_frames} came, allowed is {data.frames.window_frames} "
                "at most, frames.window_frames of params/data.yaml; raise that and run `dvc repro`, or mend the recipe"
            )
        shown = partial(qwen_vl.shown, most_frames=stage.max_frames)
        leave_out = partial(
            time_resolution.leave_out,
            n_frames={"clip": data.frames.clip_frames, "window": data.frames.window_frames},
            most_frames=stage.max_frames,
            time_step_s=data.egore.time_step_s,
        )
    kind = PairedSamples if stage.grpo and stage.grpo.paired_views else SampleDataset
    dataset = kind(
        folder,
        stage.mixture,
        steps=stage.max_steps,
        epochs=stage.num_train_epochs,
        batch=stage.train_batch_size,
        turns=stage.questions_per_context,
        seed=stage.seed,
        # a plain question has no thought to teach: only what is rewarded may ask for one
        reasoned=stage.reasoned and stage.algorithm == "grpo",
        exo_views=stage.exo_views if stage.compares_views else None,
        contract=contract(data),
        shown=shown,
        leave_out=leave_out,
        distilled=distilled,
        video_last=stage.video_last,
        ego_twins=stage.distils_features,
    )
    if stage.reasoned and stage.algorithm == "supervised":
        closed = pc.equal(pc.struct_field(dataset.samples["target"], "kind"), "choice")
        thoughts = pc.is_in(dataset.samples["question_type"].filter(closed), pa.array(THOUGHT_OF))
        logger.info(
            "stage %r is reasoned: %d of its %d closed questions teach a thought, the others their bare answer",
            stage.name, thoughts.to_pylist().count(True), len(thoughts),
        )  # fmt: skip
    return dataset


def counted(stage: params.Stage, dataset: OrderedDataset) -> params.Stage:
    """Return the stage with the steps that its dataset holds, where the recipe counts epochs."""
    if stage.num_train_epochs is None:
        return stage
    return stage.model_copy(update={"max_steps": dataset.steps, "num_train_epochs": None})


def groups(model: nn.Module, stage: params.Stage, parts: dict[str, tuple[str, ...]] = PARTS) -> list[dict]:
    """Return the optimiser groups of a stage.

    Args:
        model: with its frozen parts marked.
        stage: whose learning rates they have.
        parts: of the model: name -> beginnings of its parameters' names.
    """
    lora_rate = stage.lora.learning_rates if stage.lora else None
    made = optimiser_groups(
        model,
        stage.learning_rates,
        lora_rate=lora_rate,
        weight_decay=stage.weight_decay,
        muon_rate=stage.muon_learning_rate,
        parts=parts,
    )
    check_groups(model, made)
    return made


def _text(model, processor, stage, architecture, data, folder, output, log, distilled) -> Parts:
    config: EgoflowConfig = model.config
    dataset = language.TextDataset(config, data, steps=stage.max_steps, batch=stage.train_batch_size, seed=stage.seed)
    held_out = language.held_out(config, data, language.HELD_OUT_SAMPLES, seed=language.HELD_OUT_SEED)
    callbacks: list[TrainerCallback] = []
    if stage.stop_at_score:
        callbacks.append(language.StopAtScore(processor, held_out, stage.stop_at_score, log))
    return model, dataset, language.CollateText(processor), language.losses(config), callbacks


def _contrastive(model, processor, stage, architecture, data, folder, output, log, distilled) -> Parts:
    dataset = contrastive.ImageDataset(
        stage.rendered_images,
        steps=stage.max_steps,
        batch=stage.train_batch_size,
        seed=stage.seed,
        frames=architecture.tubelet_frames,
        size_px=architecture.image_px,
        render_px=data.world.size_px,
        grid=model.config.vision_grid,
    )
    return contrastive.Contrastive(model), dataset, contrastive.collate, contrastive.losses, []


def _supervised(
    model: EgoflowForConditionalGeneration, processor, stage, architecture, data, folder, output, log, distilled
) -> Parts:
    dataset = samples(stage, data, folder, architecture, distilled)
    if isinstance(architecture, params.Qwen):
        from components.train import qwen

        return model, dataset, qwen.Collate(processor), qwen.losses(stage.loss_weights), []
    if dataset.paired:
        shown, counts = dataset.exo_frames(model.config.tubelet_frames)
        dataset.features = feature_cache.open_cache(
            model,
            output,
            shown=shown,
            counts=counts,
            batch=dataset.batch,
            contract=dataset.store.contract["digest"],
            room_gib=stage.feature_cache_gib,
        )
    teacher = FrozenFeatures(model.model, "ego") if stage.distils_features else None
    losses = supervised.losses(stage.loss_weights, dataset.features, teacher)
    return model, dataset, Collate(model.config, processor), losses, []


ALGORITHMS: dict[str, Callable[..., Parts]] = {
    "text": _text,
    "contrastive": _contrastive,
    "supervised": _supervised,
}
