"""Whether a classifier can tell from its words which of two datasets a take is of: it sees what no single count shows.

It learns from every second take and is tested on the others, so its scores are independent draws there, and the test of
Mann and Whitney is right for them. A take that is in both datasets is in the same half twice, under both names: it
cannot be told apart, and makes the test find less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

LEAST = 6  # takes of each dataset in each half; below, nothing is learned that is worth a test


@dataclass(frozen=True)
class Separation:
    """How well two groups are told apart.

    Attributes:
        auc: how often a take of the second group has the higher score, 0.5 by chance; with its 95 % interval.
        lo: of the interval.
        hi: of the interval.
        p: of "not better than chance", one-sided.
    """

    auc: float
    lo: float
    hi: float
    p: float


def separation(words: pd.DataFrame, *, seed: int) -> Separation | None:
    """Learn to tell the takes of the present from those of the reference, and measure that on other takes.

    Args:
        words: `take_id, is_reference, category` (a word), `count`.
        seed: of the halves.

    Returns:
        The separation; None where a half has fewer than `LEAST` takes of a dataset.
    """
    from scipy.sparse import coo_array
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    documents = words.groupby(["take_id", "is_reference"], sort=True)
    rows, columns = documents.ngroup().to_numpy(), pd.factorize(words["category"], sort=True)[0]
    takes = documents.size().reset_index()
    is_now = ~takes["is_reference"].to_numpy(bool)
    # by take, not by row: both records of a common take belong in one half
    names = np.unique(takes["take_id"].to_numpy(str))
    of_test = np.random.default_rng(seed).permutation(len(names)) % 2 == 1
    is_test = of_test[np.searchsorted(names, takes["take_id"].to_numpy(str))]
    if min((is_test == half)[is_now == group].sum() for half in (0, 1) for group in (0, 1)) < LEAST:
        return None
    counts = coo_array((words["count"], (rows, columns)), shape=(len(takes), columns.max() + 1)).tocsr()
    learned = TfidfTransformer(sublinear_tf=True).fit(counts[~is_test])
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit(learned.transform(counts[~is_test]), is_now[~is_test])
    scores = model.decision_function(learned.transform(counts[is_test]))
    return area(scores[is_now[is_test]], scores[~is_now[is_test]])


def area(above: np.ndarray, below: np.ndarray) -> Separation:
    """Return how often a score of the one group lies above one of the other (DeLong, DeLong and Clarke-Pearson 1988).

    Args:
        above: [N] scores, N at least 2.
        below: [M] scores, M at least 2.
    """
    from scipy.stats import mannwhitneyu

    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    auc = float(wins.mean())
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(above) + wins.mean(0).var(ddof=1) / len(below))
    half = float(special.ndtri(0.975) * error)
    p = float(mannwhitneyu(above, below, alternative="greater", method="asymptotic").pvalue)
    return Separation(auc, max(0.0, auc - half), min(1.0, auc + half), p)
