"""The promotion gate: whether a trained model becomes champion, by the answers of both to the same samples.

Pairs are what gives it power: two evaluations agree on most samples, and only where they differ is there something to
count. A guardrail is a test of non-inferiority: not "no fall was seen" but "a fall by the margin can be ruled out".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from components.evaluation.estimates import leads, p_text, strongest
from components.evaluation.items import MODEL
from components.metrics import power, statistics
from components.metrics.statistics import Difference

ALPHA = 1 - statistics.LEVEL
TOO_FEW = f"from too few takes to say (at least {statistics.MIN_TAKES})"


@dataclass(frozen=True)
class Decision:
    """Whether a version becomes champion.

    Attributes:
        version: the candidate's, in the registry.
        promoted: whether it does.
        reason: a sentence for a person, with differences, intervals, p and margins.
        numbers: the same for machines: "<task>/<metric>.<what>" -> number.
        champion_version: of the model that it was compared with, its own where it is the champion already; "" for a
            first one.
        champion_checkpoint: the folder of another one.
    """

    version: str
    promoted: bool
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)
    champion_version: str = ""
    champion_checkpoint: Path | None = None


def decide(
    candidate: pd.DataFrame,
    champion: pd.DataFrame | None,
    *,
    version: str,
    primary_metric: str,
    margins: Mapping[str, float],
) -> Decision:
    """Promote a model that is better in the primary metric, and not worse by the margin in any guardrail.

    Better: the paired difference is above zero by a one-sided test at 5 %, takes drawn together. Each guardrail must
    hold for itself, so the tests need no correction (an intersection-union test). Beside p stands p adjusted for all
    metrics of the gate (Holm), for whoever asks in which of them the model is better. A first model has no champion to
    beat: it must be better than the strongest of its own controls.

    Args:
        candidate: scores of its answers, as `paired_comparison.read_scores` reads them: columns task, metric,
            condition, sample_id, take_id, score. Of every metric of the gate, higher is better.
        champion: those of the present champion for the same samples; None where there is none.
        version: the candidate's, in the registry.
        primary_metric: `task/metric` that must be better.
        margins: `task/metric` -> by how much it may fall, in units of the score.

    Raises:
        ValueError: a metric was not scored, or the two answered different samples.
    """
    if champion is None:
        above = leads(*_with_controls(candidate, primary_metric))
        control = strongest(above)
        if control is None:
            reason = f"first model: {primary_metric} has no control to be above (`controls` in params/eval.yaml)"
            return Decision(version, False, reason)
        found = above[control]
        decided = _is_above(found)
        relation = "above" if decided else "not above"
        reason = f"first model: {primary_metric} is {relation} its strongest control, {control}: {_told(found)}"
        return Decision(version, decided, reason, _numbers({primary_metric: found}))
    gaps = {metric: _above_champion(candidate, champion, metric) for metric in (primary_metric, *margins)}
    numbers = _numbers(gaps) | {f"{metric}.margin": margin for metric, margin in margins.items()}
    numbers |= _known({f"{primary_metric}.detectable": _detectable(gaps[primary_metric])})
    fallen = [metric for metric, margin in margins.items() if gaps[metric].lower() <= -margin]
    guards = "; ".join(
        f"{metric} {100 * gaps[metric].value:+.1f}, {_worst(gaps[metric])} (margin {100 * margins[metric]:g})"
        for metric in fallen or margins
    )
    better = _is_above(gaps[primary_metric])
    relation = "better" if better else "not better"
    adjusted = p_text(numbers[f"{primary_metric}.p_holm"])
    told = f"{_told(gaps[primary_metric])}, {adjusted} adjusted for {len(gaps)} metrics (Holm)"
    reason = f"{primary_metric} is {relation} than the champion's: {told}"
    if fallen:
        return Decision(version, False, f"a fall by the margin cannot be ruled out: {guards}; {reason}", numbers)
    return Decision(version, better, f"{reason}; guardrails hold: {guards}" if guards else reason, numbers)


def foresee(
    candidate: pd.DataFrame, champion: pd.DataFrame, *, primary_metric: str, margins: Mapping[str, float]
) -> str:
    """Return in words what the gate can find, from how the answers of both differ and not from which are better.

    Args:
        candidate: scores of its answers, as in `decide`.
        champion: those of the present champion.
        primary_metric: `task/metric` that must be better.
        margins: `task/metric` -> by how much it may fall.

    Raises:
        ValueError: as in `decide`.
    """
    gaps = {metric: _above_champion(candidate, champion, metric) for metric in (primary_metric, *margins)}
    primary = gaps[primary_metric]
    if not math.isfinite(primary.standard_error):
        return f"{primary_metric}: too few takes to find anything (at least {statistics.MIN_TAKES})"
    told = [
        f"on {primary.n} samples a true gain of {100 * power.GAIN:g} points in {primary_metric} is found in "
        f"{_power(primary, power.GAIN)}, one of {100 * _detectable(primary):.1f} in {100 * power.POWER:.0f} %"
    ]
    told += [
        f"where nothing falls, {metric} passes in {_power(gaps[metric], margin)} (margin {100 * margin:g})"
        for metric, margin in margins.items()
    ]
    return "; ".join(told)


def _power(of: Difference, gain: float) -> str:
    share = power.power(gain, of.standard_error, of.df, level=statistics.LEVEL)
    return f"{100 * share:.0f} %"


def _detectable(of: Difference) -> float:
    return power.detectable(of.standard_error, of.df, level=statistics.LEVEL)


def _is_above(found: Difference) -> bool:
    return found.p_above <= ALPHA


def _told(found: Difference) -> str:
    if not math.isfinite(found.standard_error):
        return f"{100 * found.value:+.1f} points, {TOO_FEW}"
    interval = f"[{100 * found.lo:+.1f}, {100 * found.hi:+.1f}]"
    return f"{100 * found.value:+.1f} points {interval}, one-sided p {p_text(found.p_above)}"


def _worst(found: Difference) -> str:
    return f"at worst {100 * found.lower():+.1f}" if math.isfinite(found.standard_error) else TOO_FEW


def _numbers(gaps: Mapping[str, Difference]) -> dict[str, float]:
    parts = ("value", "lo", "hi", "p_above")
    adjusted = dict(zip(gaps, statistics.holm([gap.p_above for gap in gaps.values()]), strict=True))
    numbers = {f"{metric}.{part}": getattr(gap, part) for metric, gap in gaps.items() for part in parts}
    return _known(numbers | {f"{metric}.p_holm": p for metric, p in adjusted.items()})


def _known(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers that are finite: from too few takes an interval has no ends."""
    return {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)}


def _with_controls(of: pd.DataFrame, metric: str) -> tuple[pd.Series, dict[str, pd.Series]]:
    """Return the scores of the answers, and those of each control."""
    conditions = [name for name in of["condition"].unique() if name != MODEL]
    return _scored(of, metric, "candidate"), {name: _scores(of, metric, name) for name in conditions}


def _above_champion(candidate: pd.DataFrame, champion: pd.DataFrame, metric: str) -> Difference:
    a, b = _scored(candidate, metric, "candidate"), _scored(champion, metric, "champion")
    if not a.index.equals(b.index):
        raise ValueError(
            f"candidate and champion answered different samples of {metric}: {len(a.index.difference(b.index))} and "
            f"{len(b.index.difference(a.index))} are the one's or the other's alone; evaluate both on the same data "
            "with the same params/eval.yaml: python -m flows.pipeline does"
        )
    return _difference(a, b)


def _difference(a: pd.Series, b: pd.Series) -> Difference:
    return statistics.difference(a.to_numpy(), b.to_numpy(), a.index.get_level_values("take_id").to_numpy())


def _scored(of: pd.DataFrame, metric: str, owner: str) -> pd.Series:
    scores = _scores(of, metric, MODEL)
    if scores.empty:
        known = sorted(set(of["task"] + "/" + of["metric"]))
        raise ValueError(
            f"the gate compares {metric!r}, but the {owner} was evaluated in {known} only; evaluate it in that too "
            "(`evaluate` of its stage in the recipe), or take it out of `promotion` in params/eval.yaml"
        )
    return scores


def _scores(of: pd.DataFrame, metric: str, condition: str) -> pd.Series:
    task, _, name = metric.partition("/")
    rows = of[(of["task"] == task) & (of["metric"] == name) & (of["condition"] == condition)]
    return rows.set_index(["take_id", "sample_id"])["score"].sort_index()
