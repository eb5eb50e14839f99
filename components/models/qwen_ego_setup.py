"""How a Qwen model gets ego-adaptive tokens: places in its chat template, its configuration, and their first weights.

The template is kept with every checkpoint and export, and whatever shows frames to a Qwen model writes prompts by it:
training, rollouts, evaluation, teachers, and transformers' own processor. So nothing else need know of the places.
"""

from __future__ import annotations

import re
from typing import Any, cast

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, Qwen2VLProcessor

from components.models.ego_tokens import PROJECTIONS, EgoTokens
from components.models.private_api import attention_of
from components.models.qwen_ego_tokens import CLASSES, SUFFIX

PLACE = "<|vision_pad|>"  # a word of the published vocabularies that no chat uses
_FRAME = "<|vision_start|><|image_pad|><|vision_end|>"  # as the published templates write an image
_IF_LAST, _END = "{% if loop.last or loop.nextitem['type'] != 'image' %}", "{% endif %}"
_FRAME_AND_PLACES = re.compile(f"{re.escape(_FRAME)}(?:{re.escape(_IF_LAST)}(?:{re.escape(PLACE)})+{_END})?")


def with_places(template: object, count: int) -> str:
    """Return a chat template that writes the places of ego-adaptive tokens behind the last of images in a row.

    Args:
        template: of a Qwen model, a text; places that it has already are replaced.
        count: N, tokens of a clip.

    Raises:
        ValueError: the template does not write images as the published ones do.
    """
    found = len(_FRAME_AND_PLACES.findall(template)) if isinstance(template, str) else 0
    if not isinstance(template, str) or found != 1:
        raise ValueError(
            f"the chat template writes images as {_FRAME!r} {found} times, allowed is once: it does not say where "
            "ego-adaptive tokens stand. Take the template of Qwen2-VL or Qwen2.5-VL, or leave `ego_tokens` out"
        )
    return _FRAME_AND_PLACES.sub(_FRAME + _IF_LAST + PLACE * count + _END, template)


def config_with(config: PretrainedConfig, count: int, place_id: int | None = None) -> PretrainedConfig:
    """Return the configuration of the same Qwen model with other ego-adaptive tokens, around the same two parts.

    Args:
        config: of a Qwen model, with such tokens or without.
        count: N.
        place_id: id of the word at their places; None where only sizes count.
    """
    architecture = config.model_type.removesuffix(SUFFIX)
    kind = next(kind for kind in CLASSES if kind.model_type == architecture + SUFFIX)
    values: dict[str, Any] = config.to_dict() | {"ego_tokens": count, "ego_token_id": place_id}
    values["attn_implementation"] = attention_of(config)
    of_class = ("model_type", "architectures")
    made = kind(**{name: value for name, value in values.items() if name not in of_class})
    made.text_config, made.vision_config = config.text_config, config.vision_config
    return made


@torch.no_grad()
def begin_as(tokens: EgoTokens, blocks: Any, merger: Any) -> None:
    """Copy the weights of the tower's self-attention, layer by layer, and those of its merger.

    Args:
        tokens: changed in place.
        blocks: modules of the tower, whose maps to queries, keys and values are one matrix.
        merger: module of the tower.
    """
    for own, block in zip(tokens.cross_attention, blocks, strict=True):
        weights, biases = block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3)
        *inner, outer = (own.get_submodule(name) for name in PROJECTIONS)
        for layer, weight, bias in zip(inner, weights, biases, strict=True):
            layer.load_state_dict({"weight": weight, "bias": bias})
        outer.load_state_dict(block.attn.proj.state_dict())
    norm, wide, _, out = cast(nn.Sequential, tokens.project)
    norm.load_state_dict(merger.ln_q.state_dict())
    # a token stands for each of the patches that the merger would take
    summed = merger.mlp[0].weight.unflatten(1, (-1, wide.in_features)).sum(1)
    wide.load_state_dict({"weight": summed, "bias": merger.mlp[0].bias})
    out.load_state_dict(merger.mlp[2].state_dict())


def renewed(model: PreTrainedModel, processor: Qwen2VLProcessor, count: int, *, seed: int) -> PreTrainedModel:
    """Return a Qwen model with fresh ego-adaptive tokens: its own modules, in a class that knows them.

    Args:
        model: which is not to be used any more.
        processor: of the model, whose chat template is changed in place.
        count: N, how many a clip gets.
        seed: of their queries.

    Raises:
        ValueError: the tokenizer has no word for their places, or as `with_places`.
    """
    place_id = processor.tokenizer.get_vocab().get(PLACE)
    if place_id is None:
        raise ValueError(
            f"the tokenizer has no word {PLACE!r}, at which ego-adaptive tokens stand; take that of Qwen2-VL or "
            "Qwen2.5-VL, or leave `ego_tokens` out of the stage"
        )
    processor.chat_template = with_places(processor.chat_template, count)
    config = config_with(model.config, count, place_id)
    with torch.device("meta"):
        made = CLASSES[type(config)](config)
    made.model.visual, made.model.language_model = model.model.visual, model.model.language_model
    made.lm_head, made.generation_config = model.lm_head, model.generation_config
    torch.manual_seed(seed)
    tokens = made.model.fresh_tokens()
    begin_as(tokens, made.model.visual.blocks, made.model.visual.merger)
    made.model.ego_tokens = tokens.to(model.dtype)
    made.generation_config.suppress_tokens = sorted({*(made.generation_config.suppress_tokens or ()), place_id})
    return made
