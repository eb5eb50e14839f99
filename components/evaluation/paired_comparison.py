"""The arms of a comparison against one of them: means over seeds, and differences paired by seed and sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components import records
from components.metrics.statistics import Estimate, crossed

Place = tuple[str, str, str]  # stage, task, metric
# stage -> score of each sample: columns task, metric, condition ("model" | "blind"), sample_id, take_id, score
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
        blind: the mean with the frames of other takes; NaN where a sample has no other take.
        difference: to the reference arm, over the seeds that both have; None for the reference itself.
        published: the difference that the paper prints, points; None where it prints none.
        verdict: whether its sign holds here (see `verdict`); "" where nothing is published.
    """

    arm: str
    measure: str
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    value: Estimate
    blind: float
    difference: Estimate | None
    published: float | None
    verdict: str


def read_scores(predictions: Path) -> pd.DataFrame:
    """Read the scores of a checkpoint, with the right frames and blind, from `evaluation/predictions.parquet`."""
    table = records.read_table(predictions, records.PREDICTION).to_pandas()
    columns = ["task", "metric", "condition", "sample_id", "take_id", "score"]
    return table[table["score"].notna()].rename(columns={"score_name": "metric"})[columns]


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
    rows = []
    for arm, measures in places.items():
        seeds = tuple(sorted(number for name, number in found if name == arm))
        common = tuple(number for number in seeds if (against, number) in found)
        for measure, parts in measures.items() if seeds else ():
            tables = [_table(found, arm, seeds, place) for place in parts]
            by_seed = np.mean([table.to_numpy().mean(1) for table in tables], axis=0)
            value = crossed([_part(table) for table in tables])
            blind = np.mean([_blind(found, arm, seeds, place) for place in parts])
            difference = None
            if arm != against and common:
                pairs = zip(parts, places[against][measure], strict=True)
                paired = [
                    _part(_paired(_table(found, arm, common, mine), _table(found, against, common, theirs), mine))
                    for mine, theirs in pairs
                ]
                difference = crossed(paired)
            sign = published.get(arm, {}).get(measure)
            held = verdict(difference, sign) if difference and sign else ""
            rows.append(Row(arm, measure, seeds, tuple(by_seed.tolist()), value, float(blind), difference, sign, held))
    return rows


def verdict(difference: Estimate, published: float) -> str:
    """Return whether the sign of a published difference holds: beyond the 95 % interval, or only in the mean.

    >>> verdict(Estimate(-0.02, -0.05, 0.01, 100), -4.2)
    'same sign, within noise'
    """
    if not math.isfinite(difference.lo):
        return "too few takes"
    toward = math.copysign(1.0, published)
    nearer, further = sorted((toward * difference.lo, toward * difference.hi))
    if nearer > 0:
        return "holds"
    if further < 0:
        return "contradicted"
    return "same sign, within noise" if toward * difference.value > 0 else "other sign, within noise"


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


def _blind(found: Mapping[tuple[str, int], Scores], arm: str, seeds: Sequence[int], place: Place) -> float:
    stage, task, metric = place
    tables = [found[arm, number][stage] for number in seeds]
    wanted = [t[(t["task"] == task) & (t["metric"] == metric) & (t["condition"] == "blind")]["score"] for t in tables]
    return float(np.mean([scores.mean() for scores in wanted]))


def _paired(mine: pd.DataFrame, theirs: pd.DataFrame, place: Place) -> pd.DataFrame:
    if not mine.columns.equals(theirs.columns):
        raise ValueError(f"two arms were asked different samples of {place[1]}/{place[2]}; run the comparison again")
    return mine - theirs


def _part(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table.to_numpy(), table.columns.get_level_values("take_id").to_numpy()
