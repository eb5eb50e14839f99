"""What a comparison can find, said before its runs: how small a difference, with these samples, takes and seeds.

How paired differences vary between samples and takes is measured on the two newest checkpoints of the measured stage,
where there are two that answered the same samples; else it is assumed. How much training seeds vary is always assumed:
it shows only in several seeds of the same arm, and from three of them hardly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import records
from components.evaluation.items import of_task, select, units
from components.evaluation.paired_comparison import Place, families, read_scores, unknown_conditions
from components.metrics import power, statistics
from components.metrics.power import Spread
from components.params.comparison import Comparison
from components.params.evaluation import Eval, MappingTask, PerceptionTask

# between overlaps (.24) and right or wrong answers of which three in ten change (.55); two arms of .02 each for seeds
ASSUMED = Spread(samples=0.45, takes=0.03, seeds=0.03)


@dataclass(frozen=True)
class Foreseen:
    """What one measure of a comparison can find.

    Attributes:
        measure: its name.
        samples: that every arm answers, of all its tasks; those of a task count once, however many its metrics.
        takes: that they come from, of the task with the fewest.
        seeds: of each arm.
        is_measured: whether the spread between samples and takes is that of earlier checkpoints; else it is assumed.
        power: how often a true difference of `power.GAIN` is found.
        detectable: true difference that is found in `power.POWER` of all cases; infinite from too few takes.
    """

    measure: str
    samples: int
    takes: int
    seeds: int
    is_measured: bool
    power: float
    detectable: float

    def __str__(self) -> str:
        """Return a line for a person."""
        counts = f"{self.measure}: {self.samples} samples of {self.takes} takes, seeds: {self.seeds}"
        if not math.isfinite(self.detectable):
            return f"{counts}, too few takes to find anything (at least {statistics.MIN_TAKES})"
        spread = "spread as of earlier checkpoints" if self.is_measured else "spread assumed"
        return (
            f"{counts}, {spread}: a true difference of {100 * power.GAIN:g} points is found in {100 * self.power:.0f} "
            f"% of cases, one of {100 * self.detectable:.1f} in {100 * power.POWER:.0f} %"
        )


def foresee(comparison: Comparison, *, seeds: int, data: Path, checkpoints: Path, evaluation: Eval) -> list[Foreseen]:
    """Return what each measure can find by the test that `paired_comparison.verdict` uses, at Holm's first step.

    Args:
        comparison: has measures and arms.
        seeds: of each arm.
        data: the data folder, with dataset/.
        checkpoints: folder of the checkpoints of this machine.
        evaluation: of params/eval.yaml, whose limits say how many samples are asked.

    Returns:
        In the order of the measures; [] where there are no samples yet.
    """
    path = data / "dataset" / "samples.parquet"
    if not path.is_file():
        return []
    samples = records.read_table(path, records.SAMPLE)
    held_out = samples.filter(pc.equal(samples["split"], "test"))
    limits: dict[str, int] = {**evaluation.limits}
    takes_of: dict[str, list[str]] = {}  # task -> the take of each sample or pair that is asked
    tests = _tests(comparison)
    found = []
    for measure, places in comparison.places(comparison.against).items():
        for _, task, _ in places:
            if task not in takes_of:
                of_captions = task in (*get_args(MappingTask), *get_args(PerceptionTask))
                kind = "caption_ego" if of_captions else task
                asked, _ = select(
                    of_task(held_out, kind, paired=of_captions), kind, limit=limits[task], seed=evaluation.seed
                )
                takes_of[task] = [unit[0]["take_id"] for unit in units(task, asked)]
        measured = [_measured(checkpoints, place) for place in places]
        spreads: dict[str, list[Spread]] = {}
        for (_, task, _), spread in zip(places, measured, strict=True):
            spreads.setdefault(task, []).append(spread or ASSUMED)
        counts = {task: len(takes_of[task]) for task in spreads}
        takes = min(len(set(takes_of[task])) for task in spreads)
        level = 1 - (1 - statistics.LEVEL) / 2 / tests[measure]
        errors = [(math.inf, 0.0)]
        if takes >= statistics.MIN_TAKES:
            of = _mean(spreads, counts)
            errors = power.planned_errors(of, samples=sum(counts.values()), takes=takes, seeds=seeds)
        found.append(
            Foreseen(
                measure,
                samples=sum(counts.values()),
                takes=takes,
                seeds=seeds,
                is_measured=None not in measured,
                power=min(power.power(power.GAIN, error, df, level=level) for error, df in errors),
                detectable=max(power.detectable(error, df, level=level) for error, df in errors),
            )
        )
    return found


def _tests(comparison: Comparison) -> dict[str, int]:
    """Return measure -> size of the largest family in which it is tested; of a published one, where it is published."""
    tests = [(arm, measure) for arm in comparison.arms for measure in comparison.measures if arm != comparison.against]
    published = {name: arm.published for name, arm in comparison.arms.items()}
    claimed = {measure for of_arm in published.values() for measure in of_arm}
    sizes = dict.fromkeys(comparison.measures, 1)
    for family in families(tests, published):
        for arm, measure in family:
            if measure in published[arm] or measure not in claimed:
                sizes[measure] = max(sizes[measure], len(family))
    return sizes


def _mean(spreads: dict[str, list[Spread]], counts: dict[str, int]) -> Spread:
    """Return the spread of the mean of several metrics' means, as if all their samples were of one task.

    Args:
        spreads: task -> of each of its metrics.
        counts: task -> its samples.
    """
    every = [of for of_task in spreads.values() for of in of_task]
    # the metrics of a task are of the same samples: as if what moves one moves all, so deviations are added
    parts = {task: sum(of.samples for of in of_task) / len(every) for task, of_task in spreads.items()}
    variance = sum(part**2 / counts[task] for task, part in parts.items())
    takes = float(np.mean([of.takes for of in every]))  # what a take does, it does to all tasks
    return Spread(math.sqrt(variance * sum(counts.values())), takes, ASSUMED.seeds)


def _measured(checkpoints: Path, place: Place) -> Spread | None:
    """Return how the answers of the two newest checkpoints of a stage differ; None where two cannot be compared."""
    stage, task, metric = place
    evaluated = checkpoints.glob(f"{stage}-*/evaluation/predictions.parquet")
    # an earlier version of the project may have written others
    readable = [
        path
        for path in evaluated
        if pq.read_schema(path).equals(records.PREDICTION)
        and not unknown_conditions(pq.read_table(path, columns=["condition"]))
    ]
    newest = sorted(readable, key=lambda path: path.stat().st_mtime)[-2:]
    if len(newest) < 2:
        return None
    scores = []
    for path in newest:
        rows = read_scores(path)
        rows = rows[(rows["task"] == task) & (rows["metric"] == metric) & (rows["condition"] == "model")]
        scores.append(rows.set_index(["take_id", "sample_id"])["score"])
    differences = (scores[0] - scores[1]).dropna()
    takes = differences.index.get_level_values("take_id")
    if takes.nunique() < statistics.MIN_TAKES or takes.nunique() == len(differences) or not differences.any():
        return None
    return power.spread(differences.to_numpy(), takes.to_numpy())
