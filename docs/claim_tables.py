"""Tables of the published signs: params/claims.yaml beside results/claims.json, judged by the rule of today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.evaluation import claims
from components.evaluation.claims import Judged, Record
from components.evaluation.estimates import p_text
from components.params import claims as registry
from components.params.claims import Claim
from components.params.comparison import Comparison
from docs.tables import NOTHING, RESULTS, interval, markdown, signed

ROOT = Path(__file__).parents[1]
VERDICTS = ("holds", "contradicted", "not decided", "not run")


def whole() -> str:
    """Return a table for each system, with a row for each claim."""
    found, comparisons = registry.load(ROOT)
    records, judged = _judged(found, comparisons)
    names = ["claim", "says", "expected", "experiment", "seeds", "here", "found in 80 %", "control", "verdict"]
    rows: dict[str, list[list[str]]] = {}
    for name, claim in found.claims.items():
        system, _, section = claim.source.rpartition(", ")
        cells = [
            f"**{name}**",
            f"{claim.says} ({section})",
            _expected(claim, comparisons),
            _experiment(claim, comparisons),
            *_record(records.get(name), judged[name]),
            f"{judged[name].verdict} ({judged[name].why})" if judged[name].why else f"**{judged[name].verdict}**",
        ]
        rows.setdefault(system, []).append(cells)
    tables = [f"### {system}\n\n{markdown(names, of_system)}" for system, of_system in rows.items()]
    return "\n\n".join([*tables, _cost(records.values())])


def _cost(records: Iterable[Record]) -> str:
    """Return how long the comparisons took, where that was recorded."""
    hours = {str(record.tested["comparison"]): record.hours for record in records if record.hours is not None}
    took = ", ".join(f"`{name}` {of:.1f} h" for name, of in hours.items()) or "not recorded of any"
    return f"*Wall time of all stages of a comparison, each counted once: {took}.*"


def short() -> str:
    """Return how many claims of each row of docs/systems.md §7 hold, are contradicted, not decided, and not run."""
    found, comparisons = registry.load(ROOT)
    _, judged = _judged(found, comparisons)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for name, claim in found.claims.items():
        row = name.split()[0], claim.source.rpartition(", ")[0]
        counts.setdefault(row, Counter())[judged[name].verdict] += 1
    rows = [
        [row, system, str(of.total()), *(str(of[verdict] or NOTHING) for verdict in VERDICTS)]
        for (row, system), of in counts.items()
    ]
    return markdown(["row", "system", "signs", *VERDICTS], rows)


def _judged(
    found: registry.Claims, comparisons: Mapping[str, Comparison]
) -> tuple[dict[str, Record], dict[str, Judged]]:
    kept = claims.read(RESULTS / "claims.json")
    records = claims.of_claims(registry.questions(found, comparisons), kept, {})
    return records, claims.judge(found.claims, records, seeds=found.seeds)


def _experiment(claim: Claim, comparisons: Mapping[str, Comparison]) -> str:
    its = claim.experiment
    if its is None:
        return NOTHING
    return f"`{its.comparison}`: {its.arm} against {registry.against(its, comparisons)}, {its.measure}"


def _record(record: Record | None, judged: Judged) -> list[str]:
    """Return seeds, difference with interval, what such a run mostly finds, and the strongest control."""
    if record is None:
        return [NOTHING] * 4
    ends = "" if record.interval is None else f" {interval(signed(100 * end) for end in record.interval)}"
    p = "" if judged.p_holm is None else f", p {p_text(judged.p_holm)}"
    name = record.strongest.replace("_", " ")
    return [
        str(record.seeds),
        f"{signed(100 * record.difference)}{ends}{p}; `{record.recorded_in[:7]}`",
        NOTHING if judged.detectable is None else f"{100 * judged.detectable:.1f}",
        NOTHING if record.control is None else f"{100 * record.value:.1f} / {name} {100 * record.control:.1f}",
    ]


def _expected(claim: Claim, comparisons: Mapping[str, Comparison]) -> str:
    margin = f" by {claim.margin:g}" if claim.margin else ""
    published = registry.published(claim, comparisons)
    return f"{claim.expected}{margin}" + ("" if published is None else f"; published {signed(published)}")
