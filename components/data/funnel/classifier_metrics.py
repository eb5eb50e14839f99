"""Accuracy and AUC of the ego/exo classifier, as the paper reports them (systems §4.1)."""

from __future__ import annotations

import numpy as np

from components.data.funnel.filters import EGO_SCORE
from components.metrics.statistics import Estimate, score

_DRAWS = 1000


def evaluate(ego_scores: np.ndarray, is_ego: np.ndarray, takes: np.ndarray, *, seed: int) -> dict[str, Estimate]:
    """Compute accuracy and AUC with 95 % intervals over takes.

    Args:
        ego_scores: float [N], the probability of ego of each clip.
        is_ego: bool [N].
        takes: [N], the take of each clip.
        seed: of the bootstrap.

    Returns:
        "accuracy" and "auc".

    Raises:
        ValueError: there are no clips of one of the views.
    """
    right = ((ego_scores >= EGO_SCORE) == is_ego).astype(np.float64)
    return {"accuracy": score(right, takes, seed=seed), "auc": auc(ego_scores, is_ego, takes, seed=seed)}


def auc(ego_scores: np.ndarray, is_ego: np.ndarray, takes: np.ndarray, *, seed: int) -> Estimate:
    """Compute the area under the ROC curve, and its 95 % interval from resampling whole takes.

    It is the share of (ego, exo) pairs in which the ego clip has the higher score; equal scores count half.

    Args:
        ego_scores: float [N], the probability of ego of each clip.
        is_ego: bool [N].
        takes: [N], the take of each clip.
        seed: of the resampling.

    Raises:
        ValueError: there are no clips of one of the views.
    """
    if is_ego.all() or not is_ego.any():
        raise ValueError(f"AUC needs clips of both views, there are {int(is_ego.sum())} ego of {len(is_ego)}")
    names, index = np.unique(takes, return_inverse=True)
    ego, exo = np.flatnonzero(is_ego), np.flatnonzero(~is_ego)
    margin = ego_scores[ego][:, None] - ego_scores[exo][None]
    won = np.zeros((len(names), len(names)))
    np.add.at(won, (index[ego][:, None], index[exo][None]), (margin > 0) + 0.5 * (margin == 0))
    egos, exos = (np.bincount(index[rows], minlength=len(names)) for rows in (ego, exo))
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=_DRAWS)
    pairs = (drawn @ egos) * (drawn @ exos)
    usable = pairs > 0
    again = np.einsum("da,ab,db->d", drawn[usable], won, drawn[usable]) / pairs[usable]
    lo, hi = np.percentile(again, [2.5, 97.5])
    return Estimate(float(won.sum() / (len(ego) * len(exo))), float(lo), float(hi), len(ego_scores))
