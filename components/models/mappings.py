"""The mappings F (ego to exo) and G (back) between the feature grids of the views (systems §1.3).

Both begin as the identity: a linear skip that passes features on, and layers beside it that add nothing yet. The towers
of the views begin as one, so what the exo branch reads in ego features is worth more than what it reads in random ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.models.reflect_conv import ReflectConv


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding (CycleGAN's block), normalised over channels.

    LayerNorm over channels, not InstanceNorm: InstanceNorm erases the channel means that the pooled KL must match.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv1 = ReflectConv(width, width, 3)
        self.conv2 = ReflectConv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv2(functional.relu(self.conv1(h)))


class Mapping(nn.Module):
    """A mapping between the views' feature grids: down by 4, residual blocks, up by 4, plus a linear skip.

    The shape of CycleGAN's ResNet generator (systems §1.3) with width // 4 filters at full resolution, no tanh
    (features are unbounded) and no discriminator. H and W must be multiples of 4, and 8 at least.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        narrow = width // 4
        self.enter = ReflectConv(width, narrow, 7)
        self.down = nn.Sequential(
            nn.ReLU(), nn.Conv2d(narrow, 2 * narrow, 3, stride=2, padding=1),
            nn.ReLU(), nn.Conv2d(2 * narrow, width, 3, stride=2, padding=1),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(_ResidualBlock(width) for _ in range(blocks)))
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, 2 * narrow, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
            nn.ConvTranspose2d(2 * narrow, narrow, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        )  # fmt: skip
        self.leave = ReflectConv(narrow, width, 7)
        self.skip = nn.Conv2d(width, width, 1)
        nn.init.dirac_(self.skip.weight)
        _to_zero(self.skip.bias, self.leave.weight, self.leave.bias)

    def forward(self, grid_NDHW: Tensor) -> Tensor:
        """Map [N, D, H, W] to the same shape in the other view's feature space."""
        return self.skip(grid_NDHW) + self.leave(self.up(self.blocks(self.down(self.enter(grid_NDHW)))))


class PatchMapping(nn.Module):
    """The fully connected mapping of Exo2Ego's ablation: every patch by itself through two layers, plus a linear skip.

    The skip is that of `Mapping`, so that what differs is whether a patch sees its neighbours.
    """

    def __init__(self, width: int):
        super().__init__()
        leave = nn.Linear(width, width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), leave)
        self.skip = nn.Linear(width, width)
        nn.init.eye_(self.skip.weight)
        _to_zero(self.skip.bias, leave.weight, leave.bias)

    def forward(self, grid_NDHW: Tensor) -> Tensor:
        """Map [N, D, H, W] to the same shape in the other view's feature space."""
        patches = grid_NDHW.movedim(1, -1)
        return (self.skip(patches) + self.layers(patches)).movedim(-1, 1)


def mapping_of(kind: str, width: int, blocks: int) -> nn.Module:
    """Make F or G.

    Args:
        kind: the word of the recipe's model block: "resnet" or "fc".
        width: channels of the feature grids that it maps between.
        blocks: residual blocks of a "resnet".

    Raises:
        ValueError: another word.
    """
    if kind == "resnet":
        return Mapping(width, blocks)
    if kind == "fc":
        return PatchMapping(width)
    raise ValueError(f"mapping {kind!r} came, allowed are 'resnet' and 'fc'; mend the recipe's model block")


def _to_zero(*parameters: Tensor | None) -> None:
    for parameter in parameters:
        if parameter is not None:
            nn.init.zeros_(parameter)


class Guide(nn.Module):
    """F: ego features to exo features, and the marker that tells the language model "these are guidance"."""

    def __init__(self, mapping: nn.Module, text_width: int, gain: float = 0.15):
        super().__init__()
        self.mapping = mapping
        self.marker = nn.Parameter(torch.randn(text_width) * gain / 2)

    def forward(self, grid_NDHW: Tensor) -> Tensor:
        """Map an ego grid [N, D, H, W] to its exo likeness."""
        return self.mapping(grid_NDHW)
