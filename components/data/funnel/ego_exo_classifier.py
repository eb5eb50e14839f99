"""The ego/exo classifier: a 2-layer MLP on video features (systems §4.1)."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import torch

from components.data.funnel.detections import DECIMALS
from components.data.funnel.optimizer import fit

HIDDEN, STEPS = 64, 150
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-2


class Classifier(torch.nn.Module):
    """Map features, standardised as in training, to the logit of ego.

    Args:
        width: of the features.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        kind = torch.float64  # also of the random weights: float32 ones differ in the last bit
        self.register_buffer("mean", torch.zeros(width, dtype=kind))
        self.register_buffer("std", torch.ones(width, dtype=kind))
        layers = torch.nn.Linear(width, HIDDEN, dtype=kind), torch.nn.GELU(), torch.nn.Linear(HIDDEN, 1, dtype=kind)
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits [N] of features [N, D]."""
        return self.layers((features - self.mean) / self.std)[:, 0]


def train(features: np.ndarray, is_ego: np.ndarray, *, seed: int) -> Classifier:
    """Train the classifier on clips of known view; the same clips and seed give the same weights on every processor.

    Args:
        features: float32 [N, D].
        is_ego: bool [N].
        seed: of the initial weights.

    Returns:
        The classifier, in evaluation mode.
    """
    torch.manual_seed(seed)
    model = Classifier(features.shape[1])
    inputs, targets = torch.from_numpy(features).double(), torch.from_numpy(is_ego.astype(np.float64))
    model.mean.copy_(inputs.mean(0))
    model.std.copy_(inputs.std(0, correction=0).clamp_min(1e-3))
    # both views weigh the same, although there are more exo cameras
    share = targets.mean().clamp(1e-3, 1 - 1e-3)
    weights = torch.where(targets == 1, 0.5 / share, 0.5 / (1 - share))

    def loss() -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(model(inputs), targets, weights)

    fit(model, repeat(loss, STEPS), steps=STEPS, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    return model.eval()


@torch.inference_mode()
def scores(model: Classifier, features: np.ndarray) -> np.ndarray:
    """Return the probability of ego of each clip, float64 [N], rounded to what all processors agree on."""
    return torch.sigmoid(model(torch.from_numpy(features).double())).numpy().round(DECIMALS)
