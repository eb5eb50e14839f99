"""Compare the profiles of two datasets, feature by feature: what moved, how far, and whether chance explains it.

Drift is what both is too unlikely for chance and matters: the p-value, adjusted for all features together (Holm), and
an effect size each have a limit. All tests draw takes, not samples (permutation.py, classifier.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.drift import classifier, permutation
from components.data.drift.histograms import EDGES, SAMPLES
from components.data.drift.profile import TEXT, totals
from components.metrics.statistics import holm

MOST_CATEGORIES = 100  # the most frequent of both datasets together; the others count as one
OTHERS = "(others)"
_SHOWN = 3  # categories that a row names


@dataclass(frozen=True)
class Change:
    """What became of one feature.

    Attributes:
        feature: its name.
        kind: "count" of takes or samples, "categories", a "number" in bins, "words", or the "classifier" of texts.
        reference: in words, what it was.
        now: in words, what it is.
        statistic: chi-square distance of categories, Kolmogorov-Smirnov distance of a number, difference of the share
            of samples with the word that moved most, area under the curve of the classifier; of a count the quotient.
        p: adjusted for all tests together; None of a count, which is no sample of anything.
        effect: population stability index; of the classifier its area again, of a count by what share it moved.
        drifted: whether both are beyond their limits.
    """

    feature: str
    kind: Literal["count", "classifier"] | permutation.Kind
    reference: str
    now: str
    statistic: float
    p: float | None
    effect: float
    drifted: bool = False


def compare(
    reference: pa.Table, now: pa.Table, *, alpha: float, psi: float, auc: float, growth: float, permutations: int,
    seed: int,
) -> list[Change]:  # fmt: skip
    """Compare two profiles.

    Args:
        reference: profile of the data that a model learned from.
        now: profile of the present data.
        alpha: largest adjusted p-value of drift; how often all tests together may raise a false alarm.
        psi: least population stability index of drift.
        auc: least area under the curve of the classifier.
        growth: share by which the numbers of takes and samples may move.
        permutations: of each test.
        seed: of the permutations and of the classifier's halves.

    Returns:
        A change for each feature that both have, drifted ones first, then by effect. A part of the mixture that only
        one of the two has is seen in the feature `mixture`; what never varies is left out.
    """
    both = pd.concat(
        [profile.to_pandas().assign(is_reference=name) for name, profile in ((True, reference), (False, now))]
    )
    names, tables, tested = [], [], []
    for feature, rows in both[both["feature"] != TEXT].groupby("feature"):
        kind = _kind(str(feature))
        counts, is_reference, categories = _counts(rows, kind)
        never_varies = len(categories) < 2 or (kind == "words" and (counts == counts[:, -1:]).all())
        if never_varies or is_reference.all() or not is_reference.any():
            continue
        names.append((str(feature), categories))
        tables.append((counts, is_reference, kind))
    p_values = permutation.p_values(tables, permutations=permutations, seed=seed)
    for (feature, categories), (counts, of, kind), p in zip(names, tables, p_values, strict=True):
        tested.append(_change(feature, counts[of].sum(0), counts[~of].sum(0), categories, kind=kind, p=p))
    tested += _separated(both[both["feature"] == TEXT], seed=seed)
    least = {"categories": psi, "number": psi, "words": psi, "classifier": auc}
    adjusted = holm([change.p for change in tested if change.p is not None])
    judged = [
        replace(change, p=p, drifted=p <= alpha and change.effect >= least[change.kind])
        for change, p in zip(tested, adjusted, strict=True)
    ]
    return sorted([*_grown(reference, now, growth), *judged], key=lambda one: (not one.drifted, -abs(one.effect)))


def _kind(feature: str) -> permutation.Kind:
    what = feature.rpartition(": ")[2]
    return "number" if what in EDGES else "words" if what.startswith("words of") else "categories"


def _counts(rows: pd.DataFrame, kind: permutation.Kind) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return counts [takes, categories], whether each take is of the reference [takes], and the categories."""
    frequent = rows.groupby("category")["count"].sum().sort_values(ascending=False, kind="stable")
    is_kept = rows["category"].isin([*frequent.index[:MOST_CATEGORIES], SAMPLES]) | (kind == "number")
    kept = rows["category"].where(is_kept, OTHERS)
    table = rows.assign(category=kept).pivot_table(
        index=["is_reference", "take_id"], columns="category", values="count", aggfunc="sum", fill_value=0
    )
    if kind == "number":
        table = table[sorted(table.columns, key=float)]
    elif kind == "words":  # the others stand in a sample more than once
        table = table[[*table.columns.difference([OTHERS, SAMPLES]), SAMPLES]]
    return table.to_numpy(), table.index.get_level_values("is_reference").to_numpy(bool), list(table.columns)


def _change(
    feature: str, was: np.ndarray, is_now: np.ndarray, categories: list[str], *, kind: permutation.Kind, p: float
) -> Change:
    if kind == "number":
        told = [f"median {categories[int(np.searchsorted(np.cumsum(n), n.sum() / 2))]}" for n in (was, is_now)]
    else:
        shares = [n / (n[-1] if kind == "words" else n.sum()) for n in (was, is_now)]
        most = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:_SHOWN]
        told = [", ".join(f"{categories[at]} {100 * share[at]:.1f} %" for at in most) for share in shares]
    far = permutation.distance(was, is_now, kind=kind).item()
    return Change(feature, kind, told[0], told[1], far, p, permutation.stability(was, is_now, kind=kind))


def _separated(words: pd.DataFrame, *, seed: int) -> Iterator[Change]:
    if (found := classifier.separation(words, seed=seed)) is not None:
        told = f"told apart in {100 * found.auc:.1f} % [{100 * found.lo:.1f}, {100 * found.hi:.1f}]"
        yield Change(f"{TEXT} (classifier)", "classifier", "50 % by chance", told, found.auc, found.p, found.auc)


def _grown(reference: pa.Table, now: pa.Table, growth: float) -> Iterator[Change]:
    after = totals(now)
    for what, before in totals(reference).items():
        moved = after[what] / before - 1
        yield Change(
            f"number of {what}", "count", f"{before:,}", f"{after[what]:,}", 1 + moved, None, moved, abs(moved) > growth
        )
