"""The decision of the promotion gate: its sentence, and for each metric both models, their difference and the rule."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.promotion_gate import Decision
from components.report.comparison import signed
from components.report.counts import CountTable
from components.report.table import percent

Metrics = dict[str, dict]


@dataclass(frozen=True)
class Verdict:
    """The decision as the page says it; `metrics` are those of the gate, and `table` is None where there are none."""

    sentence: str
    metrics: list[str]
    table: CountTable | None


def verdict(decision: Decision, candidate: Metrics, champion: tuple[str, Metrics] | None) -> Verdict:
    """Return the decision in one sentence, with a row for the metric that must be better and one for each guardrail.

    Args:
        decision: of the gate.
        candidate: content of metrics.json of the model that was put before the gate.
        champion: name and content of metrics.json of the model that it was compared with; None for a first model, which
            is compared with its strongest control.
    """
    if decision.champion_version == decision.version:
        return Verdict(f"{decision.reason[0].upper()}{decision.reason[1:]}.", [], None)
    relation = "is the champion now" if decision.promoted else "does not become champion"
    sentence = f"Version {decision.version} {relation}: {decision.reason}."
    compared = [name.removesuffix(".value") for name in decision.numbers if name.endswith(".value")]
    if not compared:
        return Verdict(sentence, [], None)
    against = champion[0] if champion else "strongest control"
    header = ["metric", "this version", against, "difference", "95 % interval", "one-sided p", "p, Holm", "rule"]
    rows = [_row(metric, decision.numbers, candidate, champion and champion[1]) for metric in compared]
    return Verdict(sentence, compared, CountTable("", header, rows))


def _row(
    metric: str, numbers: dict[str, float], candidate: Metrics, champion: Metrics | None
) -> list[tuple[str, bool]]:
    ours = candidate[metric]["value"]
    # both answered the same samples: the other's score is ours less the paired difference
    theirs = ours - numbers[f"{metric}.value"] if champion is None else champion[metric]["value"]
    lo, hi = (numbers.get(f"{metric}.{end}") for end in ("lo", "hi"))
    margin = numbers.get(f"{metric}.margin")
    cells = (
        percent(ours),
        percent(theirs),
        signed(numbers[f"{metric}.value"]),
        "–" if lo is None or hi is None else f"[{signed(lo)}, {signed(hi)}]",
        *(_p(numbers.get(f"{metric}.{name}")) for name in ("p_above", "p_holm")),
    )
    rule = "must be better" if margin is None else f"may not fall by {percent(margin)}"
    return [(metric, False), *((cell, True) for cell in cells), (rule, False)]


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
