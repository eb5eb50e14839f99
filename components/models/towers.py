"""What is read of a vision tower, CLIP's or SigLIP's: feature grids, and the output of every layer below them."""

from __future__ import annotations

from torch import Tensor, nn

from components.models.configuration import EgoflowConfig


def read(tower: nn.Module, frames_NCHW: Tensor, config: EgoflowConfig, *, below: bool = False) -> list[Tensor]:
    """Run a tower on frames, `tubelet_frames` at a time.

    Args:
        tower: of transformers.
        frames_NCHW: frames [frames, 3, H, W] in -1..1, steps in order, `tubelet_frames` for each.
        config: of the model.
        below: also give the output [steps, H * W, D] of every layer up to the one that is read, first to last, without
            the norm that follows the last one in SigLIP.

    Returns:
        The feature grids [steps, D, H, W], and what `below` asks for.
    """
    if config.image_mean:  # what the downloaded tower was trained on
        mean, std = (frames_NCHW.new_tensor(each).view(3, 1, 1) for each in (config.image_mean, config.image_std))
        frames_NCHW = ((frames_NCHW + 1) / 2 - mean) / std
    tubelets, layer = frames_NCHW.unflatten(0, (-1, config.tubelet_frames)).flatten(1, 2), config.vision_feature_layer
    patches = config.vision_grid**2
    if layer == -1 and not below:
        output = tower(tubelets)
    else:
        output = tower(tubelets, output_hidden_states=True)
    hidden = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    # the last ones, for CLIP's class token stands first, and SigLIP has none
    grid = hidden[:, -patches:].transpose(1, 2).unflatten(2, (config.vision_grid, -1))
    # the first of the hidden states is what enters the first layer
    return [grid, *(each[:, -patches:] for each in output.hidden_states[1 : layer + 1 or None])] if below else [grid]
