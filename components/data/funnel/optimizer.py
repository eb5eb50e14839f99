"""The training loop of the funnel's small networks: AdamW with a warm-up and a linear decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

_BETAS, _WARM_UP = (0.9, 0.99), 0.2


def fit(
    model: torch.nn.Module,
    losses: Iterable[Callable[[], torch.Tensor]],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Take an optimiser step for each loss; the learning rate rises for the first fifth of them and falls to zero.

    Args:
        model: trained in place.
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
