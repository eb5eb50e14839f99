"""From the scores of single answers to the numbers of a task: means, intervals over takes, blind control, chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from components import params
from components.evaluation.items import BLIND, MODEL
from components.metrics import statistics
from components.params.evaluation import NO_SKILL

FEW_TAKES = "too few takes: their spread is not known"
NO_BLIND = "no other take: no blind control"


def estimates(rows: Sequence[Mapping], chance: Mapping[str, float], settings: params.Eval) -> dict[str, dict]:
    """Return metric -> its mean with interval, the blind control, chance, and whether it is above blind.

    What is not known is None, and `reason` says why.

    Args:
        rows: of `records.PREDICTION`, of one task; those without a score do not count.
        chance: metric -> what a guess scores.
        settings: seed and draws of the bootstrap.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row["score"] is not None:
            scores.setdefault(row["score_name"], {MODEL: {}, BLIND: {}})[row["condition"]][row["sample_id"]] = row[
                "score"
            ]
    take_of = {row["sample_id"]: row["take_id"] for row in rows}
    draws = {"seed": settings.seed, "resamples": settings.bootstrap_resamples}
    found = {}
    for name, by_condition in scores.items():
        own, blinded = by_condition[MODEL], by_condition[BLIND]
        if not own:
            continue
        estimate = statistics.score(np.array([*own.values()]), np.array([take_of[each] for each in own]), **draws)
        both = sorted(own.keys() & blinded.keys())
        above = None
        if both:
            pairs = (np.array([side[each] for each in both]) for side in (own, blinded))
            above = statistics.difference(*pairs, np.array([take_of[each] for each in both]))
        difference_lo = _finite(above.lo) if above else None
        found[name] = {
            "value": estimate.value, "lo": _finite(estimate.lo), "hi": _finite(estimate.hi), "n": estimate.n,
            "blind": float(np.mean([blinded[each] for each in both])) if both else None,
            "chance": chance.get(name), "difference_lo": difference_lo,
            "learned": None if name in NO_SKILL or difference_lo is None else difference_lo > 0,
            "reason": _reason(len(own), len(both), difference_lo),
        }  # fmt: skip
    return found


def _reason(asked: int, blinded: int, difference_lo: float | None) -> str | None:
    if not blinded:
        return NO_BLIND
    if difference_lo is None:
        return FEW_TAKES
    return None if blinded == asked else f"the blind control is of {blinded} samples alone: no other take for the rest"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
