"""The trainable parts of an Egoflow model that are not transformers' own: connector and mapping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from components.models.stc_connector import STCConnector


def several_ranks() -> bool:
    """Return whether other processes train the same model."""
    return distributed.is_initialized() and distributed.get_world_size() > 1


class Connector(nn.Module):
    """Pool an encoder grid to a coarser one by learned attention inside each window, then project to the LM's width.

    Every head weighs the patches of a window by itself, so that one token may look at the hand and at the object.
    """

    def __init__(self, vision_width: int, text_width: int, heads: int = 4, gain: float = 0.15):
        super().__init__()
        self.norm_in = nn.LayerNorm(vision_width)
        self.score = nn.Linear(vision_width, heads)
        self.value = nn.Linear(vision_width, vision_width)
        self.project = nn.Sequential(
            nn.Linear(vision_width, 2 * text_width), nn.GELU(), nn.Linear(2 * text_width, text_width)
        )
        self.norm_out = nn.LayerNorm(text_width)
        # the scale of a bag of words: a token of unit scale would drown them
        nn.init.constant_(self.norm_out.weight, gain)
        self.marker = nn.Parameter(torch.randn(text_width) * gain / 2)

    def forward(self, grid_NDHW: Tensor, sides: Sequence[int]) -> Tensor:
        """Return the tokens of all grids, one after another.

        Args:
            grid_NDHW: encoder grids [N, D, H, W].
            sides: for each, how many windows there are along H and along W, of which it is a divisor.

        Returns:
            Tokens [sum of side * side, text_width].
        """
        windows, places = [], []
        first = list(accumulate((side * side for side in sides), initial=0))  # place of each grid's first token
        for kind in sorted(set(sides)):
            chosen = [number for number, side in enumerate(sides) if side == kind]
            windows.append(_windows(grid_NDHW[torch.tensor(chosen, device=grid_NDHW.device)], kind))
            places += [first[number] + token for number in chosen for token in range(kind * kind)]
        if len(windows) == 1:
            return self._pooled(windows[0]).flatten(0, 1)
        if several_ranks():
            tokens = self._pooled_at_once(windows)
        else:
            tokens = torch.cat([self._pooled(each).flatten(0, 1) for each in windows])
        return tokens[torch.tensor(places, device=grid_NDHW.device).argsort()]

    @property
    def projector(self) -> nn.Sequential:
        """The layers that turn a pooled feature into a token."""
        return nn.Sequential(*self.project, self.norm_out)

    def _pooled(self, windows: Tensor) -> Tensor:
        """Return tokens [N, side * side, text_width] of one kind of windows."""
        patches = self.norm_in(windows)
        weights = self.score(patches).softmax(dim=2)
        return self.norm_out(self.project(_weighed(weights, self.value(patches))))

    def _pooled_at_once(self, windows: list[Tensor]) -> Tensor:
        """Return the tokens of several kinds by one call of each module, up to rounding what `_pooled` gives of each.

        Under ZeRO-3 every call gathers the module's weights anew, so all ranks must make equally many.
        """
        sizes = [math.prod(each.shape[:3]) for each in windows]
        patches = self.norm_in(torch.cat([each.flatten(0, 2) for each in windows]))
        scores, values = self.score(patches).split(sizes), self.value(patches).split(sizes)
        pooled = [
            _weighed(score.view(*each.shape[:3], -1).softmax(dim=2), value.view(each.shape)).flatten(0, 1)
            for each, score, value in zip(windows, scores, values, strict=True)
        ]
        return self.norm_out(self.project(torch.cat(pooled)))


class MergeConnector(nn.Module):
    """VideoLLaMA3's connector (arXiv 2501.13106; systems §2.2): a bilinear merge of 2 x 2 patches, then two layers."""

    def __init__(self, vision_width: int, text_width: int):
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(vision_width, text_width), nn.GELU(), nn.Linear(text_width, text_width)
        )
        # the scale of word embeddings as language models begin with them
        self.marker = nn.Parameter(torch.randn(text_width) * 0.02)

    def forward(self, grid_NDHW: Tensor, sides: Sequence[int]) -> Tensor:
        """Return the tokens of all grids, one after another [N * side * side, text_width].

        Args:
            grid_NDHW: encoder grids [N, D, H, W].
            sides: for each, the side of its tokens' grid: half of H and W, whatever the grid.
        """
        merged = functional.interpolate(grid_NDHW, size=(sides[0], sides[0]), mode="bilinear")
        return self.projector(merged.flatten(2).mT.flatten(0, 1))


def _windows(grid_NDHW: Tensor, side: int) -> Tensor:
    """Cut grids into windows of patches [N, side * side, window * window, D]; H and W are multiples of `side`."""
    n, width, height, _ = grid_NDHW.shape
    window = height // side
    # [N, side, window, side, window, D] -> [N, side * side, window * window, D]
    patches = grid_NDHW.permute(0, 2, 3, 1).reshape(n, side, window, side, window, width)
    return patches.transpose(2, 3).reshape(n, side * side, window * window, width)


def _weighed(weights: Tensor, values: Tensor) -> Tensor:
    """Sum the patches of each window [N, tokens, patches, D] by each head's weights [N, tokens, patches, heads]."""
    heads = weights.shape[-1]
    values = values.unflatten(-1, (heads, values.shape[-1] // heads))
    return (weights.unsqueeze(-1) * values).sum(dim=2).flatten(-2)


def connector_of(kind: str, vision_width: int, text_width: int) -> nn.Module:
    """Make a connector.

    Args:
        kind: the word of the recipe's model block: "pool", "stc" (stc_connector.py) or "mlp".
        vision_width: channels of the encoder's grids.
        text_width: width of the language model.

    Raises:
        ValueError: another word.
    """
    if kind == "pool":
        return Connector(vision_width, text_width)
    if kind == "stc":
        return STCConnector(vision_width, text_width)
    if kind == "mlp":
        return MergeConnector(vision_width, text_width)
    raise ValueError(f"connector {kind!r} came, allowed are 'pool', 'stc' and 'mlp'; mend the recipe's model block")


def projector_of(kind: str, vision_width: int, text_width: int) -> nn.Sequential:
    """Make the layers that turn a feature of the tower into a token, shaped as the last ones of a connector.

    Args:
        kind: of the connector.
        vision_width: channels of the tower.
        text_width: width of the language model.
    """
    if kind == "pool":
        return Connector(vision_width, text_width).projector
    return MergeConnector(vision_width, text_width).projector
