"""From the scores of single answers to the numbers of a task: means, intervals over takes, controls, chance.

A score must beat its strongest control: the one that it is least above, on the samples that both answered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from components import params
from components.evaluation.items import MODEL
from components.metrics import statistics
from components.metrics.statistics import Difference
from components.params.evaluation import CENTRED, FORMAT, NO_SKILL

FEW_TAKES = "too few takes: their spread is not known"
NO_CONTROL = "no control answered any of its samples"
_SAMPLE = ["take_id", "sample_id"]


def estimates(rows: Sequence[Mapping], chance: Mapping[str, float], settings: params.Eval) -> dict[str, dict]:
    """Return metric -> its mean with interval, its controls, the strongest of them, chance, and whether it is learned.

    Learned: the score lies above its strongest control and above chance, both beyond the interval. Of metrics that are
    no skill no control is the strongest, and centred ones have none. What else is not known is None, and `reason` says
    why.

    Args:
        rows: of `records.PREDICTION`, of one task; those without a score do not count.
        chance: metric -> what a guess scores.
        settings: seed and draws of the bootstrap.
    """
    table = pd.DataFrame(rows)[["score_name", "condition", *_SAMPLE, "score"]].dropna(subset="score")
    found = {}
    for name, of_metric in table.groupby("score_name", sort=False):
        scores = by_condition(of_metric)
        if MODEL in scores:
            found[str(name)] = _estimate(str(name), scores.pop(MODEL), scores, chance.get(str(name)), settings)
    return found


def _estimate(
    name: str, own: pd.Series, controls: Mapping[str, pd.Series], chance: float | None, settings: params.Eval
) -> dict:
    draws = {"seed": settings.seed, "resamples": settings.bootstrap_resamples}
    estimate = statistics.score(own.to_numpy(), _takes(own), **draws)
    above = leads(own, {} if name in CENTRED else controls)
    is_skill = name not in (*NO_SKILL, FORMAT)  # the form of an answer needs no frame, so no control can fall behind
    least = strongest(above) if is_skill else None
    lo = _finite(above[least].lo) if least else None
    return {
        "value": estimate.value, "lo": _finite(estimate.lo), "hi": _finite(estimate.hi), "n": estimate.n,
        "chance": chance,
        "controls": {
            control: {
                "value": float(controls[control].mean()), "n": lead.n,
                "difference": lead.value, "lo": _finite(lead.lo), "hi": _finite(lead.hi),
            }
            for control, lead in above.items()
        },
        "strongest": least,
        "learned": None if lo is None else lo > 0 and (chance is None or estimate.lo > chance),
        "reason": None if lo is not None or not is_skill else FEW_TAKES if least else NO_CONTROL,
    }  # fmt: skip


def by_condition(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the scores of the model and of each control, by take and sample.

    Args:
        rows: of one metric, with the columns condition, take_id, sample_id and score.
    """
    return {str(name): part.set_index(_SAMPLE)["score"] for name, part in rows.groupby("condition", sort=False)}


def leads(own: pd.Series, controls: Mapping[str, pd.Series]) -> dict[str, Difference]:
    """Return how far the scores of a model lie above each control that answered some of its samples.

    Args:
        own: by take and sample.
        controls: control -> its scores, likewise.
    """
    found = {}
    for control, scores in controls.items():
        both = own.index.intersection(scores.index)
        if len(both):
            found[control] = statistics.difference(own[both].to_numpy(), scores[both].to_numpy(), _takes(own[both]))
    return found


def strongest(leads: Mapping[str, Difference]) -> str | None:
    """Return the control that a score is least above; None where there is none."""
    return min(leads, key=lambda control: leads[control].value, default=None)


def p_text(p: float) -> str:
    """Return a p-value as text, which is never zero.

    >>> p_text(0.0123), p_text(0.0)
    ('0.012', 'below 0.001')
    """
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def _takes(scores: pd.Series) -> np.ndarray:
    return scores.index.get_level_values("take_id").to_numpy()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
