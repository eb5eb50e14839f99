"""What a training step must show on every rank: the views that any of them sees, and under ZeRO-3 those that learn.

ZeRO gathers weights and reduces gradients by collective calls, module by module: a rank whose samples show no exo
video, or no video at all, would leave the others waiting for ever. It therefore takes such a view as well, in grey
frames whose tokens count nothing (`fill`).

ZeRO-3 has a second trap: a weight without a gradient is stepped with that of an earlier step (DeepSpeed 0.19.8, on one
rank too). A view whose weights learn is therefore shown in every step.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import torch
from torch import Tensor, distributed

from components.models.configuration import EgoflowConfig
from components.models.parts import several_ranks
from components.models.processing import EGO_TOKEN, layout

VIEWS = ("ego", "exo", "guide")


def absent(config: EgoflowConfig, input_ids: Tensor, *, always: Collection[str]) -> list[str]:
    """Return the views that this step must show on this rank and that its samples do not.

    Asked only where gradients are made: ranks that generate take unlike numbers of steps.

    Args:
        config: says which tokens show a view.
        input_ids: tokens [B, L] of this rank.
        always: views that every step must show.
    """
    if not torch.is_grad_enabled() or not (always or several_ranks()):
        return []
    seen = torch.stack([(input_ids == config.token_ids[f"<{view}_patch>"]).any() for view in VIEWS])
    anywhere = seen.int()
    if several_ranks():
        distributed.all_reduce(anywhere, distributed.ReduceOp.MAX)
    both = zip(VIEWS, seen.tolist(), anywhere.tolist(), strict=True)
    return [view for view, here, there in both if not here and (there or view in always)]


def fill(
    config: EgoflowConfig, views: list[str], input_ids: Tensor, pixel_values: Tensor | None
) -> tuple[Tensor, Tensor, dict[str, int]]:
    """Append a row that shows one grey step in each of the views.

    Args:
        config: of the model.
        views: what the row shows: "ego", "exo", and "guide" for F(x).
        input_ids: int64 [B, L], the tokens of the batch.
        pixel_values: its frames, float [frames, 3, H, W]; None where it shows none.

    Returns:
        The tokens [B + 1, longer L], the frames, and how many steps of each view were added, always the last ones.
    """
    guided = "guide" in views
    text = layout(config, "ego", config.tubelet_frames, guidance=guided) if guided or "ego" in views else ""
    text += layout(config, "exo", config.tubelet_frames) if "exo" in views else ""
    text = text.replace(EGO_TOKEN, "") + EGO_TOKEN * config.ego_tokens  # once, for the row is one sample
    row = torch.tensor([config.token_ids[name] for name in re.findall("<[a-z_]+>", text)], device=input_ids.device)
    size = config.image_px
    added = {"ego": int(guided or "ego" in views), "exo": int("exo" in views), "guide": int(guided)}
    steps = added["ego"] + added["exo"]
    grey = torch.zeros(steps * config.tubelet_frames, 3, size, size, device=input_ids.device)
    if pixel_values is not None:
        grey = torch.cat([pixel_values, grey.to(pixel_values.dtype)])
    length = max(len(row), input_ids.shape[1])
    wider = input_ids.new_full((len(input_ids) + 1, length), config.token_ids["<pad>"])
    wider[:-1, : input_ids.shape[1]] = input_ids
    wider[-1, : len(row)] = row
    return wider, grey, added
