"""Multi-instance retrieval between videos and captions as EPIC-KITCHENS-100 measures it: graded mAP and nDCG.

A caption may be right in part for a video: half for the verb, half for the share of nouns that both name. Source:
Damen et al. 2022, "Rescaling Egocentric Vision", §4.6, and the evaluation that its authors released.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

Action = tuple[int, AbstractSet[int]]  # verb class, classes of all nouns

QUERIES_AT_ONCE = 200  # some tables of this times 9,668 candidates: below 200 MB


@dataclass(frozen=True)
class Ranked:
    """How well the candidates of each query are ranked.

    Attributes:
        average_precision: [Q], 0 to 1; its mean is the mAP.
        ndcg: [Q], 0 to 1.
    """

    average_precision: np.ndarray
    ndcg: np.ndarray


def relevance(queries: Sequence[Action], candidates: Sequence[Action]) -> np.ndarray:
    """Return how relevant each candidate is to each query: half for the verb, half for the nouns' overlap over union.

    Args:
        queries: Q actions.
        candidates: C actions.

    Returns:
        [Q, C] float32, 0 to 1; 1 where verb and all nouns agree.

    >>> relevance([(0, {2, 5})], [(0, {2, 5}), (0, {2}), (1, {7})]).tolist()
    [[1.0, 0.75, 0.0]]
    """
    verbs_Q, nouns_QN = _classes(queries, candidates)
    verbs_C, nouns_CN = _classes(candidates, queries)
    both_QC = nouns_QN @ nouns_CN.T
    either_QC = nouns_QN.sum(1)[:, None] + nouns_CN.sum(1) - both_QC
    same_nouns_QC = np.divide(both_QC, either_QC, out=np.zeros_like(both_QC), where=either_QC > 0)
    return ((verbs_Q[:, None] == verbs_C) + same_nouns_QC) / np.float32(2)


def ranked(similarity_QC: np.ndarray, relevance_QC: np.ndarray) -> Ranked:
    """Score the ranking of the candidates of each query.

    Average precision is taken at the candidates that are wholly relevant, and its precision adds up the relevance of
    all candidates so far, not only of those. By chance alone that is five points above the textbook's. nDCG looks at as
    many candidates as are relevant at all. Of candidates that are equally similar the less relevant one comes first, so
    that neither their order nor a constant similarity earns anything.

    Args:
        similarity_QC: [Q, C], higher is ranked earlier.
        relevance_QC: [Q, C], 0 to 1.

    Raises:
        ValueError: shapes differ, a similarity is not finite, or a query has no wholly relevant candidate.
    """
    if similarity_QC.shape != relevance_QC.shape or not np.isfinite(similarity_QC).all():
        raise ValueError(
            f"similarities {similarity_QC.shape} and relevance {relevance_QC.shape} came, with "
            f"{int((~np.isfinite(similarity_QC)).sum())} similarities not finite; allowed are finite ones of one shape"
        )
    if without := int((~(relevance_QC == 1).any(1)).sum()):
        raise ValueError(
            f"{without} of {len(relevance_QC)} queries have no candidate of relevance 1, so that their average "
            "precision is not defined; rank against all candidates of the benchmark, or leave these queries out"
        )
    order_QC = np.lexsort((relevance_QC, -similarity_QC))
    gains_QC = np.take_along_axis(relevance_QC, order_QC, axis=1)
    places_C = np.arange(1, gains_QC.shape[1] + 1)
    hits_QC = gains_QC == 1
    precision_QC = gains_QC.cumsum(1, dtype=np.float64) / places_C
    average_precision_Q = np.where(hits_QC, precision_QC, 0).sum(1) / hits_QC.sum(1)
    discounts_QC = (places_C <= (gains_QC > 0).sum(1)[:, None]) / np.log2(places_C + 1)
    best_QC = -np.sort(-gains_QC, axis=1)
    ndcg_Q = (gains_QC * discounts_QC).sum(1) / (best_QC * discounts_QC).sum(1)
    return Ranked(average_precision_Q, ndcg_Q)


def of_features(
    queries_QD: np.ndarray,
    candidates_CD: np.ndarray,
    query_actions: Sequence[Action],
    candidate_actions: Sequence[Action],
    *,
    queries_at_once: int = QUERIES_AT_ONCE,
) -> Ranked:
    """Rank candidates by the dot product with each query, a block of queries at a time.

    Called twice, with videos and captions changing places, it measures both directions; the benchmark's figure is the
    mean of both. The memory is that of some blocks [queries_at_once, C], whatever Q is.

    Args:
        queries_QD: features [Q, D]; of unit length for cosine similarity.
        candidates_CD: features [C, D].
        query_actions: Q actions.
        candidate_actions: C actions.
        queries_at_once: queries in a block.

    Raises:
        ValueError: as in `ranked`, or features and actions differ in number.
    """
    if (len(queries_QD), len(candidates_CD)) != (len(query_actions), len(candidate_actions)):
        raise ValueError(
            f"features of {len(queries_QD)} queries and {len(candidates_CD)} candidates came with "
            f"{len(query_actions)} and {len(candidate_actions)} actions; allowed is one action for each"
        )
    blocks = [
        ranked(
            queries_QD[start : start + queries_at_once] @ candidates_CD.T,
            relevance(query_actions[start : start + queries_at_once], candidate_actions),
        )
        for start in range(0, len(queries_QD), queries_at_once)
    ]
    return Ranked(
        np.concatenate([block.average_precision for block in blocks]),
        np.concatenate([block.ndcg for block in blocks]),
    )


def _classes(actions: Sequence[Action], others: Sequence[Action]) -> tuple[np.ndarray, np.ndarray]:
    """Return verb classes [A] and a table [A, nouns] of the nouns that each names, as wide as both sides need."""
    width = 1 + max((noun for _, nouns in (*actions, *others) for noun in nouns), default=0)
    nouns_AN = np.zeros((len(actions), width), dtype=np.float32)
    for place, (_, nouns) in enumerate(actions):
        nouns_AN[place, list(nouns)] = 1
    return np.array([verb for verb, _ in actions]), nouns_AN
