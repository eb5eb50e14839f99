"""The model that a stage starts from, and its processor: its parts from the parents, downloads, or fresh."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, ProcessorMixin

from components import params
from components.models import build, qwen_ego_setup
from components.train import algorithms


def load(
    recipe: params.Recipe, stage: params.Stage, data: params.Data, parents: dict[str, Path]
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Load the model of a stage.

    Args:
        recipe: gives the architecture.
        stage: of the recipe.
        data: parameters of the data.
        parents: part of the model -> folder of the weights that give it.

    Raises:
        ValueError: the recipe and the parents or the data do not fit; the message says where to mend it.
    """
    if isinstance(recipe.model, params.Qwen):
        return _qwen(recipe.model, stage, parents)
    processor = algorithms.processor_of(recipe.model, data, parents)
    processor.layout_config["guidance"] = stage.guidance  # and with it, of the model's configuration
    algorithms.check_frames(stage, build.config_of(processor), data)
    model = build.assemble(build.config_of(processor), parents, seed=stage.seed)
    algorithms.fill(model, recipe.model, parents)
    if stage.mapping:
        build.renew_mapping(model, processor, stage.mapping, seed=stage.seed)
    if stage.ego_tokens:
        build.renew_ego_tokens(model, processor, stage.ego_tokens, seed=stage.seed)
    return model, processor


def _qwen(model: params.Qwen, stage: params.Stage, parents: dict[str, Path]) -> tuple[PreTrainedModel, ProcessorMixin]:
    made, processor = algorithms.qwen_model(model, stage, parents)
    if not parents.get("all") and processor.ego_tokens:
        raise ValueError(
            f"base {model.base!r} has {processor.ego_tokens} ego-adaptive tokens, allowed is a base without: a stage "
            "begins them by `ego_tokens`, or has them from a parent"
        )
    if stage.ego_tokens:
        made = qwen_ego_setup.renewed(made, processor, stage.ego_tokens, seed=stage.seed)
    return made, processor
