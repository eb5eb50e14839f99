"""VideoLLaMA2's spatial-temporal convolution (STC) connector (arXiv 2406.07476, section 2.1; its released code).

RegNet blocks over each grid, a 3D convolution that halves time, height and width, RegNet blocks again, an MLP to the
width of the language model. The blocks are RegNetY's (arXiv 2003.13678): 1x1, 3x3 and 1x1 convolutions with squeeze
and excitation, here with one channel a group and LayerNorm over channels, as VideoLLaMA2 has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer

DEPTH = 4  # blocks of each stage


class _LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of [N, C, H, W]."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class _SqueezeExcite(nn.Module):
    """Weigh every channel by what the whole grid shows."""

    def __init__(self, width: int, squeezed: int):
        super().__init__()
        self.squeeze = nn.Linear(width, squeezed)
        self.excite = nn.Linear(squeezed, width)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.excite(functional.silu(self.squeeze(x.mean((2, 3))))).sigmoid()
        return x * weights[:, :, None, None]


class _Block(GradientCheckpointingLayer):
    """One residual block of RegNetY: a patch sees its eight neighbours."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), _LayerNorm2d(width), nn.SiLU())
        self.look = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), _LayerNorm2d(width), nn.SiLU()
        )
        self.weigh = _SqueezeExcite(width, max(1, round(width_in / 4)))
        self.leave = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), _LayerNorm2d(width))
        self.skip = nn.Identity()
        if width_in != width:
            self.skip = nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), _LayerNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.skip(x) + self.leave(self.weigh(self.look(self.enter(x)))))


class _Stage(nn.Module):
    """Blocks in a row."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width if number else width_in, width) for number in range(DEPTH))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class STCConnector(nn.Module):
    """Videos of T encoder grids of H x W become T' x H' x W' tokens, with n' = n // 2 + 1 on each axis.

    That is n' = floor((n + 2 * 1 - 2) / 2) + 1 of a convolution with kernel 2, stride 2 and padding 1: 16 x 24 x 24
    grids give 9 x 13 x 13 = 1521 tokens, a still image 169. Place 0 sees padding and grid 0, place k the grids 2k - 1
    and 2k, so that no grid is left out (`EgoflowConfig.markers`).
    """

    def __init__(self, vision_width: int, text_width: int):
        super().__init__()
        self.before = _Stage(vision_width, text_width)
        # padded by hand in time, where one convolution runs over all videos
        self.halve = nn.Conv3d(text_width, text_width, kernel_size=2, stride=2, padding=(0, 1, 1))
        self.after = _Stage(text_width, text_width)
        self.project = nn.Sequential(nn.Linear(text_width, text_width), nn.GELU(), nn.Linear(text_width, text_width))
        # the scale of word embeddings as language models begin with them
        self.marker = nn.Parameter(torch.randn(text_width) * 0.02)

    @property
    def projector(self) -> nn.Sequential:
        """The layers that turn a pooled feature, of the language model's width already, into a token."""
        return self.project

    def forward(self, grid_NDHW: Tensor, steps: Sequence[int]) -> Tensor:
        """Return the tokens of all videos, one after another.

        Every module runs once whatever the videos' lengths: under ZeRO-3 all ranks then gather the same weights.

        Args:
            grid_NDHW: encoder grids [N, D, H, W] of all videos, in order.
            steps: how many of them each video has; N in all.

        Returns:
            Tokens [sum of T' * H' * W', text_width], by time, row and column.
        """
        grids = self.before(grid_NDHW)
        still = torch.zeros_like(grids[:1])
        padded = []
        for video in grids.split(list(steps)):
            # to 2 T' steps, so that no stride reaches into the next video
            padded += [still, video] if len(video) % 2 else [still, video, still]
        halved = functional.silu(self.halve(torch.cat(padded).movedim(0, 1).unsqueeze(0)))
        tokens_NDHW = self.after(halved.squeeze(0).movedim(1, 0))
        return self.project(tokens_NDHW.flatten(2).transpose(1, 2).flatten(0, 1))
