"""Judge the signs that the papers publish by what the comparisons on this machine found; write results/claims.json.

Run as: python -m flows.claims

A claim of which this machine has no scores keeps what was recorded before. `python -m docs.generate` makes the page
docs/claims.md and the table of README.md of the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from components import params
from components.evaluation import claims, comparison_scores
from components.params import claims as registry
from components.params.claims import Claims
from components.params.comparison import Comparison
from components.train.dry_run.tables import table
from flows import arm_recipes, arms, compare, data, failure, options

RESULTS = Path("results/claims.json")
WIDTH = 140  # of tables in a file or a pipe


def records(found: Claims, comparisons: Mapping[str, Comparison]) -> dict[str, claims.Record]:
    """Return claim -> what was found: measured from scores on this machine, else recorded before.

    Args:
        found: the claims.
        comparisons: by name.
    """
    tested = registry.questions(found, comparisons)
    return claims.of_claims(tested, claims.read(RESULTS), measured(found, comparisons))


def measured(found: Claims, comparisons: Mapping[str, Comparison]) -> dict[str, claims.Record]:
    """Measure every claim whose comparison has scores of both arms on this machine.

    Args:
        found: the claims.
        comparisons: by name.

    Raises:
        ValueError: scores lack a measure, or two arms were asked different samples.
    """
    new: dict[str, claims.Record] = {}
    for name, comparison in comparisons.items():
        folder = compare.folder_of(comparison)
        if not (folder / comparison_scores.FILE).is_file():
            continue
        scores = comparison_scores.read(folder / comparison_scores.FILE)
        ran = json.loads((folder / "table.json").read_text())
        made_of = arms.made_of(comparison)
        for claim_name, claim in found.claims.items():
            its = claim.experiment
            if its is None or its.comparison != name:
                continue
            pair = its.arm, registry.against(its, comparisons)
            if not _is_as_it_ran(comparison, made_of, ran, pair, its.measure):
                continue
            mine, theirs = ((arm, comparison.places(arm)[its.measure]) for arm in pair)
            lo, hi = claim.region
            record = claims.measure(
                scores,
                mine,
                theirs,
                region=(lo / 100, hi / 100),
                tested=registry.tested(claim, its, comparisons),
                recorded_in=ran["recorded_in"],
                hours=round(ran["stages_s"] / 3600, 2),
            )
            if record:
                new[claim_name] = record
    return new


def _is_as_it_ran(now: Comparison, made_of: Mapping, ran: Mapping, pair: tuple[str, str], measure: str) -> bool:
    """Return whether a comparison still trains and measures two arms as it did when it ran, on the same data.

    Args:
        now: the comparison.
        made_of: as `arms.made_of` returns it of that.
        ran: the record of its run; one without `made_of` is of an earlier version and no answer.
        pair: the arms.
        measure: of the claim.
    """
    today, then, before = now.model_dump(mode="json"), ran["comparison"], ran.get("made_of")
    if before is None or any(before[key] != made_of[key] for key in ("dataset", "settings")):
        return False
    same_measure = today["measures"][measure] == then["measures"].get(measure)
    same_arms = all(
        arm in then["arms"]
        and today["arms"][arm]["at"] == then["arms"][arm]["at"]
        and made_of["recipes"][arm] == before["recipes"][arm]
        for arm in pair
    )
    return same_measure and same_arms and today["at"] == then["at"]


def missing(
    found: Claims, comparisons: Mapping[str, Comparison], judged: Mapping[str, claims.Judged]
) -> dict[str, list[str]]:
    """Return comparison -> arms that claims need and that were not measured by this rule with enough seeds.

    Args:
        found: the claims.
        comparisons: by name.
        judged: claim -> what follows from the records.
    """
    needed: dict[str, list[str]] = {}
    for name, claim in found.claims.items():
        if claim.experiment and judged[name].p_holm is None:
            pair = claim.experiment.arm, registry.against(claim.experiment, comparisons)
            needed.setdefault(claim.experiment.comparison, []).extend(pair)
    return {comparison: list(dict.fromkeys(wanted)) for comparison, wanted in needed.items()}


def show_plan(found: Claims, comparisons: Mapping[str, Comparison], wanted: Mapping[str, Sequence[str]]) -> None:
    """Print which comparisons are missing and about what each costs, without running any.

    Args:
        found: the claims.
        comparisons: by name.
        wanted: comparison -> arms.
    """
    stale = data.stale()
    digest = "not known before the data is made" if stale else data.digest()
    rows = []
    for name, names in wanted.items():
        of, path = comparisons[name], params.find_comparison(name)
        runs = arm_recipes.write_recipes(
            of, compare.folder_of(of) / "recipes", source=path, seeds=found.seeds, arms=names
        )
        plans = arms.plan_runs(runs, dataset=digest)
        known = [plan.seconds for plan in plans if plan.seconds is not None]
        unknown = f"{len(plans) - len(known)} of {len(plans)} runs not known"
        time = unknown if len(known) < len(plans) else f"{sum(known) / 3600:.1f} h"
        stages = sum(len(plan.trains) for plan in plans)
        claimed = sum(bool(claim.experiment and claim.experiment.comparison == name) for claim in found.claims.values())
        rows.append((name, str(claimed), str(len({run.arm for run in runs})), str(len(runs)), str(stages), time))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    columns = ("comparison", "claims", "arms", "runs", "stages to train", "about")
    console.print(table(f"{found.seeds} seeds each, nothing was run", columns, rows))
    without = [name for name, claim in found.claims.items() if claim.experiment is None]
    console.print(f"{len(without)} claims have no experiment: {'; '.join(without)}", highlight=False, soft_wrap=True)
    if stale:
        console.print(f"The data is stale ({', '.join(stale)}): it comes first.")


def show(found: Claims, known: Mapping[str, claims.Record]) -> None:
    """Print the verdicts."""
    judged = claims.judge(found.claims, known, seeds=found.seeds)
    rows = []
    for name, claim in found.claims.items():
        result, record = judged[name], known.get(name)
        verdict = f"{result.verdict}: {result.why}" if result.why else result.verdict
        rows.append((name, claim.expected, *_numbers(record, result), verdict))
    columns = ("claim", "expected", "seeds", "difference", "found in 80 %", "verdict")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table("published signs", columns, rows, is_dim=lambda row: row[-1] == "not run"))
    console.print(f"written       {RESULTS}; python -m docs.generate makes docs/claims.md of it", soft_wrap=True)


def _numbers(record: claims.Record | None, judged: claims.Judged) -> tuple[str, str, str]:
    if record is None:
        return "", "", ""
    interval = "" if record.interval is None else f" [{100 * record.interval[0]:+.1f}, {100 * record.interval[1]:+.1f}]"
    detectable = "" if judged.detectable is None else f"{100 * judged.detectable:.1f}"
    return str(record.seeds), f"{100 * record.difference:+.1f}{interval}", detectable


def main() -> int:
    """Judge the claims, after the comparisons that are missing where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.claims(parser)
    given = parser.parse_args()
    try:
        found, comparisons = registry.load()
        if unknown := sorted(set(given.comparisons) - set(comparisons)):
            raise ValueError(f"comparisons {unknown} came, allowed are {sorted(comparisons)}")
        known = records(found, comparisons)
        wanted = missing(found, comparisons, claims.judge(found.claims, known, seeds=found.seeds))
        wanted = {name: names for name, names in wanted.items() if not given.comparisons or name in given.comparisons}
        if given.dry_run:
            show_plan(found, comparisons, wanted)
            return 0
        claims.write(RESULTS, known)
        for name, names in wanted.items() if given.run else ():
            compare.compare(str(params.find_comparison(name)), found.seeds, names)
            known = records(found, comparisons)
            claims.write(RESULTS, known)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    show(found, known)
    return 0


if __name__ == "__main__":
    sys.exit(main())
