"""One vector for each clip: the mean of the visual tokens that a view's connector makes of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.models import towers
from components.models.backbone import EgoflowModel
from components.models.configuration import EgoflowConfig
from components.models.ego_tokens import places_of


def steps_of(config: EgoflowConfig, input_ids: Tensor, view: str) -> list[int]:
    """Return how many steps of a view each sample [B, L] shows, without those that show none."""
    marked, patches = (input_ids == config.token_ids[token] for token in (f"<{view}>", f"<{view}_patch>"))
    # a step of one patch has no marker: the patch is the step (processing.layout)
    counts = torch.where(marked.any(1), marked.sum(1), patches.sum(1))
    return counts[counts > 0].tolist()


def pooled(connector: nn.Module, config: EgoflowConfig, grids_NDHW: Tensor, steps: Sequence[int]) -> Tensor:
    """Return the mean over the tokens of each clip [clips, text width].

    Args:
        connector: of the view.
        config: of the model.
        grids_NDHW: feature grids of the steps of all clips, in order.
        steps: how many steps each clip has; N in all.
    """
    means = []
    for grid, count in zip(grids_NDHW.split(list(steps)), steps, strict=True):
        shape = [count] if config.connector == "stc" else [config.grid(count)] * count
        means.append(connector(grid, shape).mean(0))
    return torch.stack(means)


def of_tokens(config: EgoflowConfig, input_ids: Tensor, embeds: Tensor) -> Tensor | None:
    """Return the mean of the ego-adaptive tokens of each clip [clips, text width]; None for a model without any.

    Args:
        config: of the model.
        input_ids: [B, L].
        embeds: of them [B, L, text width], as `EgoflowModel.embed` gives them.
    """
    if not config.ego_tokens:
        return None
    return embeds[places_of(config, input_ids)].unflatten(0, (-1, config.ego_tokens)).mean(1)


class FrozenFeatures:
    """A tower and connector as they were when this was made, whatever is trained afterwards.

    Args:
        model: whose parts are copied.
        view: "ego" or "exo".

    Raises:
        ValueError: the weights are spread over ranks (ZeRO-3), so that a copy would be of a part of them.
    """

    def __init__(self, model: EgoflowModel, view: str):
        branch = model.config.branch(view)
        parts = [getattr(model, f"{branch}_{part}") for part in ("encoder", "connector")]
        if any(hasattr(value, "ds_id") for part in parts for value in part.parameters()):
            raise ValueError("a loss of features came with ZeRO-3, allowed is `zero_stage` 0 to 2; mend the recipe")
        self.config = model.config
        self.tower, self.connector = (copy.deepcopy(part).eval().requires_grad_(False) for part in parts)

    @torch.no_grad()
    def of(self, frames_NCHW: Tensor, steps: Sequence[int]) -> Tensor:
        """Return the features of clips [clips, text width].

        Args:
            frames_NCHW: frames [frames, 3, H, W] in -1..1 of all clips, in order.
            steps: how many steps each clip has.
        """
        for part in (self.tower, self.connector):
            part.to(frames_NCHW.device)
        dtype = next(self.tower.parameters()).dtype
        [grids] = towers.read(self.tower, frames_NCHW.to(dtype), self.config, below=False)
        return pooled(self.connector, self.config, grids, steps)
