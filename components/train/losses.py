"""The losses of Exo2Ego's guidance stage beside the token loss (systems §1.4). Grids are [N, D, H, W]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def cycle_consistency(grids: dict[str, Tensor]) -> Tensor:
    """L_CCL = E|G(F(x)) - x| + E|F(G(y)) - y|, means over elements."""
    return forward_cycle(grids) + functional.l1_loss(grids["fgy"], grids["y"])


def forward_cycle(grids: dict[str, Tensor]) -> Tensor:
    """Its first half alone, from ego and back: an ablation of Exo2Ego."""
    return functional.l1_loss(grids["gfx"], grids["x"])


def kl_tokens(grids: dict[str, Tensor]) -> Tensor:
    """KL(softmax(y) || softmax(F(x))) over channels, for each patch, averaged; y gives no gradient.

    The patches of the two views show different places, yet in a prototype only this form made captions from F(x) work:
    the pooled one matches only the channel means.
    """
    return _kl(grids["y"].flatten(2), grids["fx"].flatten(2))


def kl_pooled(grids: dict[str, Tensor]) -> Tensor:
    """The same divergence between spatial means of each step (the reading of systems §1.4)."""
    return _kl(grids["y"].mean((2, 3)), grids["fx"].mean((2, 3)))


def kl_tokens_reverse(grids: dict[str, Tensor]) -> Tensor:
    """KL(softmax(F(x)) || softmax(y)) for each patch: F(x) may leave out modes of y instead of spreading over all."""
    return _kl(grids["y"].flatten(2), grids["fx"].flatten(2), reverse=True)


def kl_pooled_reverse(grids: dict[str, Tensor]) -> Tensor:
    """The reverse divergence between spatial means of each step."""
    return _kl(grids["y"].mean((2, 3)), grids["fx"].mean((2, 3)), reverse=True)


def _kl(truth: Tensor, guess: Tensor, *, reverse: bool = False) -> Tensor:
    # channels are dimension 1; every other position is a distribution of its own
    first, second = (guess, truth.detach()) if reverse else (truth.detach(), guess)
    p, log_q = first.float().softmax(1), second.float().log_softmax(1)
    return (p * (p.clamp_min(1e-12).log() - log_q)).sum(1).mean()


# the words of `loss_weights` in a recipe, beside "vtg", which the model computes itself
GUIDANCE: dict[str, Callable[[dict[str, Tensor]], Tensor]] = {
    "ccl": cycle_consistency,
    "ccl_forward": forward_cycle,
    "kl": kl_tokens,
    "kl_pooled": kl_pooled,
    "kl_reverse": kl_tokens_reverse,
    "kl_pooled_reverse": kl_pooled_reverse,
}
# what draws the mean features of exo clips to those that the model had of the ego clips of the same moments before the
# stage; published is the mean square (systems §2.4)
FEATURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "feature_mse": functional.mse_loss,
    "token_mse": functional.mse_loss,
}
# of which features of the model's output
READS = {"feature_mse": "features", "token_mse": "token_features"}
# the grids that a loss reads beside x, y and F(x): each costs a pass through F or G, or both
ROUND_TRIPS = {"ccl": ("gfx", "fgy"), "ccl_forward": ("gfx",)}


@torch.no_grad()
def retrieval(grids: dict[str, Tensor], guess: str = "fx") -> float:
    """Centred retrieval F(x) -> y inside a batch: the share of steps whose own y is the nearest by cosine.

    Means over the batch are taken out first, or every feature would look like every other. Chance is 1 / N. With "x"
    as `guess` it is what F has to beat: the identity.
    """
    guessed, y = (grids[name].mean((2, 3)) for name in (guess, "y"))
    guessed, y = (functional.normalize(side - side.mean(0), dim=1) for side in (guessed, y))
    nearest = (guessed @ y.T).argmax(1)
    return (nearest == torch.arange(len(nearest), device=nearest.device)).float().mean().item()
