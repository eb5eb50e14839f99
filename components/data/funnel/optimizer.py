"""AdamW by hand: `torch.optim` loads a compiler first, which takes as long as the training of a small network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

_BETAS, _EPSILON, _WARM_UP = (0.9, 0.99), 1e-8, 0.2


def fit(
    model: torch.nn.Module, losses: Iterable[Callable[[], torch.Tensor]], *, steps: int, rate: float, decay: float
) -> None:
    """Take a step for each loss; the rate rises for the first fifth of the steps and falls to zero.

    Args:
        losses: one function of the model's present weights for each step.
        steps: how many there are.
        rate: the highest learning rate.
        decay: of the weights, as a share of the rate.
    """
    weights = list(model.parameters())
    means, squares = ([torch.zeros_like(each) for each in weights] for _ in range(2))
    for step, loss in enumerate(losses, 1):
        gradients = torch.autograd.grad(loss(), weights)
        done = step / steps
        now = rate * min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP))
        short, long = (1 - beta**step for beta in _BETAS)
        with torch.no_grad():
            for each, gradient, mean, square in zip(weights, gradients, means, squares, strict=True):
                mean.lerp_(gradient, 1 - _BETAS[0])
                square.lerp_(gradient * gradient, 1 - _BETAS[1])
                each.mul_(1 - now * decay).addcdiv_(mean, (square / long).sqrt_().add_(_EPSILON), value=-now / short)
