"""The promotion gate: whether a trained model takes the alias `champion`, a pure function of two evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PromotionDecision:
    """Whether `version` becomes champion, and the reason as a sentence for a person."""

    promoted: bool
    reason: str
    version: str


def decide(
    candidate: dict[str, dict],
    champion: dict[str, dict] | None,
    *,
    version: str,
    primary_metric: str,
    guardrail_metrics: Sequence[str],
) -> PromotionDecision:
    """Promote a model whose primary metric is better, and none of whose guardrail metrics is worse, beyond intervals.

    Of every metric, higher is better. A first model has no champion to beat: it must lie above its blind control.

    Args:
        candidate: `task/metric` -> `{"value", "lo", "hi", "difference_lo", ...}` as components/evaluation/measure.py
            writes it.
        champion: the same for the present champion on the same held-out samples; None where there is none.
        version: the candidate's, in the registry.
        primary_metric: the one that must be better.
        guardrail_metrics: those that must not be worse.

    Returns:
        The decision.

    Raises:
        ValueError: a metric of the gate is missing from an evaluation (names it, what there is and where to mend it).
    """
    new = _metric_of(candidate, primary_metric, "candidate")
    if champion is None:
        above = new["difference_lo"] is not None and new["difference_lo"] > 0
        relation = "above" if above else "not above"
        blind = "(none)" if new["blind"] is None else f"{new['blind']:.3f}"
        reason = (
            f"first model: {primary_metric} {_show(new)} is {relation} its blind control {blind} beyond the interval"
        )
        return PromotionDecision(above, reason, version)
    for metric in guardrail_metrics:
        now, before = _metric_of(candidate, metric, "candidate"), _metric_of(champion, metric, "champion")
        if _difference(now, before)[1] < 0:
            reason = f"guardrail {metric} {_show(now)} is worse than the champion's {_show(before)} beyond the interval"
            return PromotionDecision(False, reason, version)
    old = _metric_of(champion, primary_metric, "champion")
    better = _difference(new, old)[0] > 0
    relation = "better" if better else "not better"
    reason = f"{primary_metric} {_show(new)} is {relation} than the champion's {_show(old)} beyond the interval"
    if better and guardrail_metrics:
        reason += f"; no guardrail is worse ({', '.join(guardrail_metrics)})"
    return PromotionDecision(better, reason, version)


def _difference(a: dict, b: dict) -> tuple[float, float]:
    """Return the 95 % interval of a - b from the intervals of a and of b (MOVER, Zou and Donner 2008).

    It treats the two as independent. Both are measured on the same takes and positively correlated, so the interval is
    wider than a paired one would be, and the gate errs towards keeping the champion.
    """
    gap = a["value"] - b["value"]
    (a_lo, a_hi), (b_lo, b_hi) = _ends(a), _ends(b)
    below, above = math.hypot(a["value"] - a_lo, b_hi - b["value"]), math.hypot(a_hi - a["value"], b["value"] - b_lo)
    return gap - below, gap + above


def _ends(entry: dict) -> tuple[float, float]:
    """Return the interval of a metric; where it is not known, it has no end."""
    return (-math.inf, math.inf) if entry["lo"] is None else (entry["lo"], entry["hi"])


def _metric_of(evaluation: dict[str, dict], metric: str, owner: str) -> dict:
    if metric not in evaluation:
        raise ValueError(
            f"the gate compares {metric!r}, but the {owner} was evaluated in {sorted(evaluation)} only; evaluate it in "
            "that too (`evaluate` of its stage in the recipe), or take it out of `promotion` in params/eval.yaml"
        )
    return evaluation[metric]


def _show(entry: dict) -> str:
    lo, hi = _ends(entry)
    return f"{entry['value']:.3f} [{lo:.3f}, {hi:.3f}]"
