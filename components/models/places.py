"""When and where a visual token was seen, said by the embeddings of number words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.models.configuration import EgoflowConfig


def time_and_place(
    config: EgoflowConfig, number: nn.Module, axes: tuple[nn.Module, nn.Module], is_step: Tensor, is_patch: Tensor
) -> Tensor:
    """Return time word and grid place of each position that is a step or a patch [of these, W]; a step has no place.

    Args:
        config: of the model.
        number: word embeddings.
        axes: maps of the words of rows, and of columns, [W] to [W].
        is_step: bool [B, L], the positions that begin a step of one view.
        is_patch: bool [B, L], those of its patches.
    """
    words = config.time_token_ids
    if not words:
        return torch.zeros(1, device=is_step.device)
    counted = is_step.cumsum(1)
    step = (counted - 1).clamp(min=0)
    seen = is_patch.cumsum(1)
    # patches already seen when the current step began
    before = torch.where(is_step, seen, 0).cummax(1).values
    place = (seen - before - 1).clamp(min=0)
    steps = is_step.sum(1, keepdim=True).clamp(min=1)
    per_step = torch.div(is_patch.sum(1, keepdim=True), steps, rounding_mode="floor").clamp(min=1)
    side = per_step.float().sqrt().round().long()
    stride = torch.div(config.vision_grid, side, rounding_mode="floor")
    row = torch.div(place, side, rounding_mode="floor") * stride + stride // 2
    col = place % side * stride + stride // 2
    visual = is_step | is_patch
    words = torch.tensor(words, device=step.device)
    percent = lambda cell: (cell * 100 + 50) // config.vision_grid  # noqa: E731  (the middle of a patch)
    row_words, col_words = (number(words[percent(cell[visual]).clamp(max=100)]) for cell in (row, col))
    rows, cols = axes
    grid = rows(row_words) + cols(col_words)
    time = number(words[step[visual].clamp(max=len(words) - 1)])
    return torch.where(is_patch[visual].unsqueeze(-1), grid, 0) + time
