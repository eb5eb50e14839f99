"""Whether a published sign holds here: where the difference of two arms lies, for all claims together.

A claim says in which region a difference lies: above zero, below it, or within a margin (components/params/claims.py).
It holds where the difference lies inside the region beyond doubt, and is contradicted where it lies outside beyond
doubt. For a sign that is the two-sided test of `statistics.crossed`, for a margin two one-sided tests (Schuirmann
1987), each at the same level. Holm adjusts the p-values of all claims that were measured, so that any of them is wrong
in 5 % of cases at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from components.evaluation.paired_comparison import Place, Scores, compare, paired
from components.metrics import power, statistics

Part = tuple[np.ndarray, np.ndarray]  # differences [seeds, samples], the take of each sample


@dataclass(frozen=True)
class Record:
    """What an experiment found, as results/claims.json keeps it; shares and not points.

    Attributes:
        tested: what was compared, and which region was claimed; a record of another question is none of the claim.
        recorded_in: commit of the code.
        hours: of all stages of the comparison; None where that was not recorded.
        seeds: that both arms have.
        value: of the arm.
        strongest: the control that it is least above; "" without one.
        control: of that control; None without one.
        difference: to the other arm.
        interval: of 95 %, for other seeds and takes; None with too few takes.
        p_holds: two-sided p-value of "outside the region"; None where it was recorded before there was this rule.
        p_contradicted: two-sided p-value of "inside the region"; None likewise.
        errors: standard error and degrees of freedom of each test.
    """

    tested: dict[str, object]
    recorded_in: str
    hours: float | None
    seeds: int
    value: float
    strongest: str
    control: float | None
    difference: float
    interval: tuple[float, float] | None
    p_holds: float | None
    p_contradicted: float | None
    errors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Judged:
    """What follows for a claim.

    Attributes:
        verdict: "holds", "contradicted", "not decided" or "not run".
        why: what a claim that is not decided lacks; "" where that is certainty alone, and of all others.
        p_holm: adjusted p-value; None where it was not measured by this rule with enough seeds.
        detectable: true difference that such a run finds in 80 % of cases, at Holm's first step; None likewise.
    """

    verdict: str
    why: str = ""
    p_holm: float | None = None
    detectable: float | None = None


def measure(
    found: Mapping[tuple[str, int], Scores],
    arm: tuple[str, Sequence[Place]],
    against: tuple[str, Sequence[Place]],
    *,
    region: tuple[float, float],
    tested: dict[str, object],
    recorded_in: str,
    hours: float,
) -> Record | None:
    """Measure the difference that a claim is about.

    Args:
        found: (arm, seed) -> scores.
        arm: whose difference is claimed, with the places of the measure.
        against: the other arm, likewise.
        region: claimed ends of the difference, shares; either may be infinite.
        tested: what is compared, to know the record by.
        recorded_in: commit of the code that trained the arms.
        hours: that all stages of the comparison took.

    Returns:
        None where the arms have no seed in common yet.

    Raises:
        ValueError: the measure was not scored, or the arms were asked different samples.
    """
    names = [arm[0], against[0]]
    seeds = [seed for name, seed in found if name == arm[0] and (against[0], seed) in found]
    if not seeds:
        return None
    both = {run: scores for run, scores in found.items() if run[0] in names and run[1] in seeds}
    rows = compare(both, {name: {"": parts} for name, parts in (arm, against)}, against=against[0], published={})
    [row] = [row for row in rows if row.arm == arm[0]]
    parts = paired(found, arm, against, seeds)
    tests = statistics.crossed_tests(parts)
    whole = statistics.crossed(parts)
    holds, contradicted = p_values(parts, region)
    return Record(
        tested=tested,
        recorded_in=recorded_in,
        hours=hours,
        seeds=len(seeds),
        value=row.value.value,
        strongest=row.strongest,
        control=row.control if row.strongest else None,
        difference=whole.value,
        interval=(whole.lo, whole.hi) if math.isfinite(whole.lo) else None,
        p_holds=holds,
        p_contradicted=contradicted,
        errors=tuple((test.standard_error, test.df) for test in tests if math.isfinite(test.standard_error)),
    )


def p_values(parts: Sequence[Part], region: tuple[float, float]) -> tuple[float, float]:
    """Return the two-sided p-values of "not inside the region" and of "not outside of it".

    Args:
        parts: of one measure, as `paired_comparison.paired` returns them.
        region: its ends, of which one at least is finite.
    """
    lo, hi = region
    inside, outside = [], []
    if math.isfinite(lo):
        inside.append(statistics.crossed([(scores - lo, takes) for scores, takes in parts]).p_above)
        outside.append(statistics.crossed([(lo - scores, takes) for scores, takes in parts]).p_above)
    if math.isfinite(hi):
        inside.append(statistics.crossed([(hi - scores, takes) for scores, takes in parts]).p_above)
        outside.append(statistics.crossed([(scores - hi, takes) for scores, takes in parts]).p_above)
    return min(1.0, 2 * max(inside)), min(1.0, 2 * min(outside))


def read(path: Path) -> dict[str, Record]:
    """Read claim -> record from the file that `write` writes."""
    return {name: Record(**record | _tuples(record)) for name, record in json.loads(path.read_text()).items()}


def _tuples(record: Mapping) -> dict[str, tuple | None]:
    interval = record["interval"]
    return {"interval": tuple(interval) if interval else None, "errors": tuple(map(tuple, record["errors"]))}


def write(path: Path, records: Mapping[str, Record]) -> None:
    """Write claim -> record as JSON."""
    text = json.dumps({name: asdict(record) for name, record in records.items()}, indent=1, allow_nan=False)
    path.write_text(text + "\n")


def of_claims(
    tested: Mapping[str, dict[str, object]], kept: Mapping[str, Record], new: Mapping[str, Record]
) -> dict[str, Record]:
    """Return for each claim the record that answers it: a new one, unless one of more seeds is kept.

    Args:
        tested: claim -> its question.
        kept: claim -> record, of earlier; those of another question count no more.
        new: likewise, of today.
    """
    found = {}
    for name, question in tested.items():
        both = [record for record in (new.get(name), kept.get(name)) if record and record.tested == question]
        if both:
            found[name] = max(both, key=lambda record: (record.p_holds is not None, record.seeds))
    return found


def judge(names: Iterable[str], records: Mapping[str, Record], *, seeds: int) -> dict[str, Judged]:
    """Judge all claims together.

    Args:
        names: of the claims.
        records: claim -> what was found, of those of which anything was.
        seeds: from which a claim is decided.
    """
    p_of = {
        name: (record.p_holds, record.p_contradicted)
        for name, record in records.items()
        if record.seeds >= seeds and record.p_holds is not None and record.p_contradicted is not None
    }
    adjusted = dict(zip(p_of, statistics.holm([min(both) for both in p_of.values()]), strict=True))
    level = 1 - (1 - statistics.LEVEL) / 2 / max(1, len(p_of))
    found = {}
    for name in names:
        if (record := records.get(name)) is None:
            found[name] = Judged("not run")
        elif name not in p_of:
            old = "recorded under the old rule"
            found[name] = Judged("not decided", old if record.p_holds is None else f"{record.seeds} of {seeds} seeds")
        elif not record.errors:
            found[name] = Judged("not decided", "too few takes", adjusted[name])
        else:
            detectable = max(power.detectable(error, df, level=level) for error, df in record.errors)
            holds, contradicted = p_of[name]
            sure = "holds" if holds < contradicted else "contradicted"
            is_sure = adjusted[name] <= 1 - statistics.LEVEL
            found[name] = Judged(sure if is_sure else "not decided", "", adjusted[name], detectable)
    return found
