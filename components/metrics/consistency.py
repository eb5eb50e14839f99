"""Whether a model answers alike what it is asked in both views (EgoExo-Con, systems §5.1).

Every measure is the mean of a score of each pair, so that `statistics.score` gives its interval by takes, and
`statistics.difference` that of a difference between models.
"""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.5  # tIoU from which two intervals are the same answer, and one is right


def scores(right_ego: np.ndarray, right_exo: np.ndarray, same: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores [N] of each pair, whose means are the measures.

    Only "ego", "exo" and "consistent" are skills: a model that always says yes agrees everywhere, and of balanced
    questions has an excess of .25.

    Args:
        right_ego: [N], 1 where the answer to the ego view is right, else 0.
        right_exo: [N], likewise of the exo view.
        same: [N], 1 where both answers are the same, right or wrong, else 0.

    Returns:
        "ego" and "exo", right in that view; "consistent", right in both; "agreement", the same answer; "excess", whose
        mean is how far `consistent` lies above the product of `ego` and `exo`, which is what two answers that know
        nothing of one another would have. It is their covariance, written as a mean of products of deviations.

    Raises:
        ValueError: lengths differ.
    """
    if not len(right_ego) == len(right_exo) == len(same):
        raise ValueError(
            f"{len(right_ego)} ego, {len(right_exo)} exo and {len(same)} pair scores came; allowed is one of each for "
            "every pair"
        )
    count = max(1, len(same))
    excess = (right_ego - right_ego.sum() / count) * (right_exo - right_exo.sum() / count)
    consistent = right_ego * right_exo
    return {"ego": right_ego, "exo": right_exo, "consistent": consistent, "agreement": same, "excess": excess}


def references(hits: np.ndarray, same: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the measures of two models that see nothing.

    Args:
        hits: [A, N], 1 where an answer is right for a pair, else 0; of all answers that may be given.
        same: [A, A], 1 where two answers are the same, else 0.

    Returns:
        "constant", the best single answer to every question, in both views; and "coin", an answer that is drawn for
        each view by itself, whose excess comes only from questions that are easier than others.

    >>> of_yes_no = references(np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2))
    >>> of_yes_no["constant"]["consistent"], of_yes_no["coin"]["consistent"]
    (0.5, 0.25)
    """
    best = hits[hits.mean(axis=1).argmax()]
    drawn = hits.mean(axis=0)
    right, consistent = float(drawn.mean()), float((drawn**2).mean())
    coin = {"ego": right, "exo": right, "consistent": consistent, "agreement": float(np.mean(same))}
    always = {name: float(values.mean()) for name, values in scores(best, best, np.ones_like(best)).items()}
    return {"constant": always, "coin": coin | {"excess": consistent - right**2}}
