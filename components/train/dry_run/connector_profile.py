"""Memory and work of connectors, mappings and ego-adaptive tokens.

Measured in a forward pass on the meta device, without memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from components.models.configuration import EgoflowConfig


@dataclass(frozen=True)
class Profile:
    """One pass of a module in bfloat16.

    Args:
        activations: bytes that are kept for the backward pass.
        checkpointed: the same with gradient checkpointing of the connector's blocks: their inputs, and the activations
            of the largest block.
        flops: of the forward pass.
    """

    activations: int = 0
    checkpointed: int = 0
    flops: int = 0


def mapping(model: PreTrainedModel, config: EgoflowConfig) -> Profile:
    """Measure the mapping F on one grid.

    Args:
        model: on the meta device.
        config: of the model.
    """
    grid = _grids(config, 1)
    return _measure(model.model.mapping_f.mapping, lambda module: module(grid))


def connector(model: PreTrainedModel, config: EgoflowConfig, steps: int) -> Profile:
    """Measure the connector on the grids of one video.

    Args:
        model: on the meta device.
        config: of the model.
        steps: grids of the video.
    """
    sizes = [steps] if config.connector == "stc" else [config.grid(steps)] * steps
    grids = _grids(config, steps)
    return _measure(model.model.ego_connector, lambda module: module(grids, sizes))


def ego_tokens(model: PreTrainedModel, patches: int) -> Profile:
    """Measure the ego-adaptive tokens on the layers of one video; what they keep of a frozen tower is theirs alone.

    Args:
        model: on the meta device, with such tokens.
        patches: of the video, all frames together.
    """
    tokens = model.model.ego_tokens
    shape = patches, 1, tokens.queries.shape[1]
    layers = [torch.empty(shape, device="meta", dtype=torch.bfloat16) for _ in tokens.cross_attention]
    return _measure(tokens, lambda module: module(layers, [patches]))


def _grids(config: EgoflowConfig, count: int) -> torch.Tensor:
    side, width = config.vision_grid, config.vision_config.hidden_size
    return torch.empty(count, width, side, side, device="meta", dtype=torch.bfloat16)


def _measure(module: nn.Module, run: Callable[[nn.Module], object]) -> Profile:
    module = module.requires_grad_(True).to(torch.bfloat16)
    own = {id(parameter) for parameter in module.parameters()}
    kept, inputs, blocks, begun = [], [], [], []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in own:
            kept.append(tensor.numel() * tensor.element_size())
        return tensor

    def begin(_, arguments: tuple) -> None:
        inputs.append(sum(each.numel() * each.element_size() for each in arguments if torch.is_tensor(each)))
        begun.append(sum(kept))

    def end(*_) -> None:
        blocks.append(sum(kept) - begun.pop())

    for block in module.modules():
        if isinstance(block, GradientCheckpointingLayer):
            block.register_forward_pre_hook(begin)
            block.register_forward_hook(end)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), FlopCounterMode(display=False) as count:
        run(module)
    checkpointed = sum(kept) - sum(blocks) + sum(inputs) + max(blocks, default=0)
    return Profile(sum(kept), checkpointed, count.get_total_flops())
