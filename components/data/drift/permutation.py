"""How unlikely the distance of two groups of takes is, if which take is in which group were chance.

The samples of one take are no independent draws: a test that counts samples calls nearly every other set of takes
drift. So takes are exchanged whole. Where a take is in both groups, its two records go their own ways, which makes a
difference look more likely than it is: with common takes the test finds less, and never more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

_AT_ONCE = 250  # permutations; of 2,000 takes they are 4 MB
_TIE = 1e-9  # sums in another order

Kind = Literal["categories", "number", "words"]


def p_values(tables: Sequence[tuple[np.ndarray, np.ndarray, Kind]], *, permutations: int, seed: int) -> list[float]:
    """Return the p-value of each table: how often takes at random lie as far apart as the reference and the present.

    Args:
        tables: of each feature the counts [takes, categories] of both groups, one below the other; whether each take
            is of the reference, bool [takes]; and what is counted, see `distance`.
        permutations: how often takes are dealt out again; no p-value is below 1 / (permutations + 1).
        seed: of the dealing.
    """
    rng = np.random.default_rng(seed)
    known = [distance(counts[of].sum(0), counts[~of].sum(0), kind=kind)[0] for counts, of, kind in tables]
    as_far = np.ones(len(tables))  # the groups as they are, are one way to deal
    for start in range(0, permutations, _AT_ONCE):
        ways = min(_AT_ONCE, permutations - start)
        dealt: dict[bytes, np.ndarray] = {}  # features of as many takes are dealt alike: most of the time goes here
        for number, (counts, of, kind) in enumerate(tables):
            if (key := of.tobytes()) not in dealt:
                dealt[key] = rng.permuted(np.tile(of, (ways, 1)), axis=1).astype(np.float32)
            first = (dealt[key] @ counts.astype(np.float32)).astype(np.float64)  # exact: whole numbers
            far = distance(first, counts.sum(0) - first, kind=kind)
            as_far[number] += (far >= known[number] - _TIE).sum()
    return (as_far / (permutations + 1)).tolist()


def distance(first: np.ndarray, second: np.ndarray, *, kind: Kind) -> np.ndarray:
    """Return how far two distributions lie apart, from 0 to 1.

    Args:
        first: counts by category, [..., categories].
        second: the same of the other group.
        kind: of "categories" it is half the symmetric chi-square distance (triangular discrimination), of the bins of a
            "number" in order the Kolmogorov-Smirnov distance. Of "words" the counts say in how many samples each
            stands, the last one how many samples there are; it is the difference of the share that moved most.

    Returns:
        The distance, [...], of at least one dimension; 1 where a group has nothing.
    """
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    sums = [each[..., -1] if kind == "words" else each.sum(-1) for each in (first, second)]
    p, q = (each / np.maximum(total, 1)[..., None] for each, total in zip((first, second), sums, strict=True))
    if kind == "categories":
        both = p + q
        far = np.divide((p - q) ** 2, both, out=np.zeros_like(both), where=both > 0).sum(-1) / 2
    else:
        far = np.abs(p - q if kind == "words" else np.cumsum(p - q, axis=-1)).max(-1)
    return np.where((sums[0] == 0) | (sums[1] == 0), 1.0, far)


def stability(first: np.ndarray, second: np.ndarray, *, kind: Kind) -> float:
    """Return the population stability index of two distributions: by habit 0.1 is a shift, 0.25 a large one.

    Half an observation is added to each category, so that one that is new has a finite part in it.

    Args:
        first: counts by category, [categories].
        second: the same of the other group.
        kind: as in `distance`; of "words" it is the largest index of the samples with and without a word, since
            words that stand everywhere would hide those that move.
    """
    if kind == "words":
        apart = (np.stack([each[:-1], each[-1] - each[:-1]], 1) for each in (first, second))
        return max(stability(was, now, kind="categories") for was, now in zip(*apart, strict=True))
    p, q = ((each + 0.5) / (each + 0.5).sum() for each in (first, second))
    return float(((p - q) * np.log(p / q)).sum())
