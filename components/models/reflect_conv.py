"""Convolutions whose grids are mirrored at their edges, computed wave by wave where that is cheaper.

A grid of n cells that is mirrored at both ends is a sum of n cosine waves, the k-th of frequency k / (2n - 2). Shifted
by t cells, a cosine is a cosine and a sine of the same frequency: cos k(i + t) = cos ki cos kt - sin ki sin kt. So a
kernel does nothing but weigh the waves of its input, and a product for each wave takes the place of one for each cell
and each place of the kernel: with 7 x 7 kernels on 8 x 8 cells a quarter of the arithmetic, with 3 x 3 kernels on
2 x 2 cells a ninth, all of it in matrix products.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor, nn


class ReflectConv(nn.Conv2d):
    """A convolution with reflection padding that keeps the size of its grids [N, D, H, W].

    In float32 on a CPU it goes by waves. Elsewhere it is torch's own: GPUs have fast kernels for that, and bfloat16
    would round three times in the place of once. Grids no larger than the reach of the kernel are torch's too:
    it says that they cannot be mirrored.
    """

    def __init__(self, width_in: int, width_out: int, kernel: int):
        super().__init__(width_in, width_out, kernel, padding=kernel // 2, padding_mode="reflect")

    def forward(self, input: Tensor) -> Tensor:
        """Convolve [N, D, H, W] to [N, O, H, W]."""
        plain = input.is_cpu and input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if plain and self.bias is not None and min(input.shape[2:]) > self.kernel_size[0] // 2:
            return by_waves(input, self.weight, self.bias)
        return super().forward(input)


def by_waves(grid_NDHW: Tensor, kernel_ODKK: Tensor, bias_O: Tensor) -> Tensor:
    """Return up to rounding what `conv2d` gives of grids that were padded by reflection: [N, O, H, W].

    Args:
        grid_NDHW: float32; H and W are more than K // 2, and 2 at least.
        kernel_ODKK: K is odd.
        bias_O: added to every cell.
    """
    n, width, height, length = grid_NDHW.shape
    wide, _, side, _ = kernel_ODKK.shape
    into, parts = _waves(height, length, side)
    # cells (or waves) first: then each step is one product, and only the ends are laid anew
    waves_CND = (into @ grid_NDHW.flatten(2).permute(2, 0, 1).flatten(1)).view(-1, n, width)
    kernel = kernel_ODKK.flatten(2).permute(2, 1, 0).flatten(1)
    cells = kernel.new_zeros(())
    for weigh, out in parts:
        weights_CDO = (weigh @ kernel).view(-1, width, wide)
        cells = cells + out @ torch.bmm(waves_CND, weights_CDO).flatten(1)
    return (cells.view(-1, n, wide) + bias_O).permute(1, 2, 0).unflatten(2, (height, length))


@lru_cache
@torch.inference_mode(False)  # they stay, and training must be able to use them
def _waves(height: int, length: int, kernel: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the matrices that all grids of a size share; C = H * W cells, and as many waves.

    Returns:
        Cells to waves [C, C]; and for each part of the waves what weighs it, from the kernel [C, K * K], and that part
        to cells [C, C].
    """
    (into_h, parts_h), (into_w, parts_w) = (_waves_along(size, kernel) for size in (height, length))
    parts = [
        (torch.kron(weigh_h, weigh_w).float(), torch.kron(out_h, out_w).float())
        for (weigh_h, out_h), (weigh_w, out_w) in product(parts_h, parts_w)
    ]
    return torch.kron(into_h, into_w).float(), parts


def _waves_along(size: int, kernel: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the same of one axis, in float64: [n, n]; then [n, K] and [n, n] of cosines and of signed sines."""
    cell = torch.arange(size, dtype=torch.float64)
    shift = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    at_cell, at_shift = (torch.outer(torch.pi / (size - 1) * cell, place) for place in (cell, shift))
    parts = [(at_shift.cos(), at_cell.cos())]
    if size > 2:  # waves of two cells have no sines
        parts.append((at_shift.sin(), -at_cell.sin()))
    return torch.linalg.inv(at_cell.cos()), parts
