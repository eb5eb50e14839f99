"""The training loop of the funnel's small networks: AdamW, the same weights on every processor.

A processor adds and multiplies in an order of its own, so that its sums differ from another's in the last bit, and
training makes much of little: in float32 the detectors of two processors disagreed about 6 to 9 of 50 clips. In
float64 the sums of a step differ by some 1e-16, which rounding the weights after each step takes away again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

_BETAS, _WARM_UP = (0.9, 0.99), 0.2
_STEPS_OF_ONE = 2**16  # weights are multiples of its inverse: far above 1e-16, far below what a step changes


def fit(
    model: torch.nn.Module,
    losses: Iterable[Callable[[], torch.Tensor]],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Take a step of AdamW for each loss; the learning rate rises for the first fifth of them and falls to zero.

    Args:
        model: in float64, trained in place.
        losses: one function of the model's present weights for each step; its value is a scalar.
        steps: how many there are.
        learning_rate: the highest.
        weight_decay: as a share of the learning rate.
    """

    def share(step: int) -> float:
        done = (step + 1) / steps
        return min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP))

    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=_BETAS, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    for loss in losses:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.mul_(_STEPS_OF_ONE).round_().div_(_STEPS_OF_ONE)
