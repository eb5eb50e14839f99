"""The arms of a comparison against one of them: means over seeds, and differences paired by seed and sample."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.evaluation.estimates import by_condition, leads
from components.evaluation.items import MODEL
from components.metrics import statistics
from components.metrics.statistics import Difference, Estimate, crossed, holm
from components.params.evaluation import CENTRED, LOWER, Control

CONDITIONS = (MODEL, *get_args(Control))
Place = tuple[str, str, str]  # stage, task, metric
Test = tuple[str, str]  # arm, measure
# stage -> score of each sample: columns task, metric, condition ("model", or the control), sample_id, take_id, score
Scores = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Row:
    """One measure of one arm.

    Attributes:
        arm: its name.
        measure: its name.
        seeds: repetitions that are finished.
        by_seed: the measure in each of them.
        value: mean over them, with an interval over seeds and takes.
        strongest: the control that it is least above, over seeds and parts; "" without one.
        control: the mean of that control; NaN without one.
        difference: to the reference arm, over the seeds that both have; None for the reference itself.
        p_holm: p-value of that difference, adjusted for the others of its family (see `families`); None without one.
        published: the difference that the paper prints, points; None where it prints none.
        verdict: whether its sign holds here (see `verdict`); "" where nothing is published.
    """

    arm: str
    measure: str
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    value: Estimate
    strongest: str
    control: float
    difference: Difference | None
    p_holm: float | None
    published: float | None
    verdict: str


def read_scores(predictions: Path) -> pd.DataFrame:
    """Read the scores of a checkpoint, and of its controls, from `evaluation/predictions.parquet`.

    Raises:
        ValueError: there is no such file, or it is of an earlier version of the project.
    """
    table = records.read_table(predictions, records.PREDICTION)
    if unknown := unknown_conditions(table):
        raise ValueError(
            f"{predictions} has answers under {unknown}, as an earlier version of the project wrote them; known are "
            f"{CONDITIONS}. Evaluate it again: python -m components.evaluation --checkpoint {predictions.parents[1]}"
        )
    rows = table.to_pandas().rename(columns={"score_name": "metric"})
    return rows[rows["score"].notna()][["task", "metric", "condition", "sample_id", "take_id", "score"]]


def unknown_conditions(predictions: pa.Table) -> list[str]:
    """Return the conditions of predictions that are neither the model's nor a control's: an earlier version's."""
    return sorted(set(predictions["condition"].unique().to_pylist()) - set(CONDITIONS))


def compare(
    found: Mapping[tuple[str, int], Scores],
    places: Mapping[str, Mapping[str, Sequence[Place]]],
    *,
    against: str,
    published: Mapping[str, Mapping[str, float]],
) -> list[Row]:
    """Return a row for every measure of every arm that has a finished seed.

    Args:
        found: (arm, seed) -> scores.
        places: arm -> measure -> the (stage, task, metric)s that it is the mean of.
        against: the reference arm, which the others are compared with.
        published: arm -> measure -> difference that the paper prints, points.

    Raises:
        ValueError: a measure was not scored, or two arms were asked different samples.
    """
    seeds_of = {arm: tuple(sorted(number for name, number in found if name == arm)) for arm in places}
    differences: dict[Test, Difference] = {}
    for arm, seeds in seeds_of.items():
        if arm != against and (common := [number for number in seeds if (against, number) in found]):
            for measure, parts in places[arm].items():
                theirs = against, places[against][measure]
                differences[arm, measure] = crossed(paired(found, (arm, parts), theirs, common))
    adjusted: dict[Test, float] = {}
    for family in families(differences, published):
        adjusted |= zip(family, holm([differences[test].p for test in family]), strict=True)
    rows = []
    for arm, measures in places.items():
        seeds = seeds_of[arm]
        for measure, parts in measures.items() if seeds else ():
            tables = [_table(found, arm, seeds, place) for place in parts]
            by_seed = np.mean([table.to_numpy().mean(1) for table in tables], axis=0)
            value = crossed([_part(table) for table in tables])
            control = _strongest(found, arm, seeds, parts)
            difference, p_holm = differences.get((arm, measure)), adjusted.get((arm, measure))
            sign = published.get(arm, {}).get(measure)
            held = verdict(difference, sign, p_holm) if difference and p_holm is not None and sign else ""
            rows.append(
                Row(arm, measure, seeds, tuple(by_seed.tolist()), value, *control, difference, p_holm, sign, held)
            )
    return rows


def paired(
    found: Mapping[tuple[str, int], Scores],
    mine: tuple[str, Sequence[Place]],
    theirs: tuple[str, Sequence[Place]],
    seeds: Sequence[int],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return how far one arm lies above another in each part of a measure, as `statistics.crossed` takes it.

    Args:
        found: (arm, seed) -> scores.
        mine: the arm, and the places that the measure is the mean of.
        theirs: the other arm and its places, in the same order.
        seeds: that both have.

    Returns:
        Differences [seeds, samples] and the take of each sample, for each place.

    Raises:
        ValueError: a measure was not scored, or the two arms were asked different samples.
    """
    return [
        _part(_paired(_table(found, mine[0], seeds, place), _table(found, theirs[0], seeds, other), place))
        for place, other in zip(mine[1], theirs[1], strict=True)
    ]


def families(tests: Iterable[Test], published: Mapping[str, Container[str]]) -> list[list[Test]]:
    """Return the tests of a comparison in the families within which Holm adjusts their p-values.

    All signs that the paper prints are one family, whichever arms they are of: a page of seven is wrong in any of them
    in 5 % of cases at most. They were fixed by the papers, so they are not paid for with p-values of all
    that is measured beside them; of that, each arm is a family of its own.

    Args:
        tests: (arm, measure)s.
        published: arm -> its measures of which the paper prints a difference.

    >>> families([("a", "average"), ("a", "verb"), ("b", "average")], {"a": {"average"}, "b": {"average"}})
    [[('a', 'average'), ('b', 'average')], [('a', 'verb')]]
    """
    found: dict[str, list[Test]] = {}
    for arm, measure in tests:
        found.setdefault("" if measure in published.get(arm, ()) else f"arm {arm}", []).append((arm, measure))
    return [*found.values()]


def verdict(difference: Estimate, published: float, p_holm: float) -> str:
    """Return whether the sign of a published difference holds: beyond doubt, or only in the mean.

    Args:
        difference: as found here.
        published: as printed, points.
        p_holm: p-value of the difference, adjusted for the other published ones of the comparison.

    >>> verdict(Estimate(-0.02, -0.05, 0.01, 100), -4.2, 0.2)
    'same sign, within noise'
    """
    if not math.isfinite(difference.lo):
        return "too few takes"
    is_same = difference.value * published > 0
    if p_holm <= 1 - statistics.LEVEL and difference.value:
        return "holds" if is_same else "contradicted"
    return "same sign, within noise" if is_same else "other sign, within noise"


def dominated(points: Mapping[str, tuple[float, float]]) -> dict[str, list[str]]:
    """Return for each point (x, y) those that dominate it: at least as high in both, and higher in one.

    >>> dominated({"a": (1.0, 1.0), "b": (2.0, 1.0), "c": (0.0, 3.0)})
    {'a': ['b'], 'b': [], 'c': []}
    """
    return {
        name: [other for other, its in points.items() if its != point and its[0] >= point[0] and its[1] >= point[1]]
        for name, point in points.items()
    }


def _table(found: Mapping[tuple[str, int], Scores], arm: str, seeds: Sequence[int], place: Place) -> pd.DataFrame:
    """Return the scores of one metric, with a row for each seed and a column for each (take, sample)."""
    stage, task, metric = place
    rows = {}
    for number in seeds:
        scores = found[arm, number].get(stage)
        mine = None
        if scores is not None:
            wanted = (scores["task"] == task) & (scores["metric"] == metric) & (scores["condition"] == "model")
            mine = scores[wanted]
        if mine is None or mine.empty:
            raise ValueError(f"arm {arm!r}, seed {number}: {task}/{metric} was not scored at stage {stage!r}")
        rows[number] = mine.set_index(["take_id", "sample_id"])["score"].sort_index()
    table = pd.DataFrame(rows).T
    if table.isna().to_numpy().any():
        raise ValueError(f"arm {arm!r}: its seeds were asked different samples of {task}/{metric}; run it again")
    return table


def _strongest(
    found: Mapping[tuple[str, int], Scores], arm: str, seeds: Sequence[int], parts: Sequence[Place]
) -> tuple[str, float]:
    """Return the control that a measure is least above, of those that answered in every part and seed, and its mean.

    Centred metrics have none.
    """
    places = [(found[arm, number][stage], task, metric) for number in seeds for stage, task, metric in parts]
    lead_and_mean: dict[str, list[tuple[float, float]]] = {}
    for table, task, metric in places:
        if metric in CENTRED:
            return "", math.nan
        controls = by_condition(table[(table["task"] == task) & (table["metric"] == metric)])
        for name, lead in leads(controls.pop(MODEL), controls).items():
            ahead = -lead.value if metric in LOWER else lead.value
            lead_and_mean.setdefault(name, []).append((ahead, controls[name].mean()))
    means = {name: np.mean(each, axis=0) for name, each in lead_and_mean.items() if len(each) == len(places)}
    name = min(means, key=lambda control: means[control][0], default="")
    return name, float(means[name][1]) if name else math.nan


def _paired(mine: pd.DataFrame, theirs: pd.DataFrame, place: Place) -> pd.DataFrame:
    if not mine.columns.equals(theirs.columns):
        raise ValueError(f"two arms were asked different samples of {place[1]}/{place[2]}; run the comparison again")
    return mine - theirs


def _part(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table.to_numpy(), table.columns.get_level_values("take_id").to_numpy()
