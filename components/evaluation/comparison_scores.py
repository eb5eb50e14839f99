"""The scores under a comparison in one file: any two of its arms can be compared later, and by another rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from components.evaluation.paired_comparison import Place, Scores

FILE = "scores.parquet"
_PLACE = ["stage", "task", "metric"]
_COLUMNS = ["arm", "seed", *_PLACE, "condition", "take_id", "sample_id", "score"]


def write(
    path: Path, found: Mapping[tuple[str, int], Scores], places: Mapping[str, Mapping[str, Sequence[Place]]]
) -> None:
    """Write the scores of every finished run, of what is measured alone.

    Args:
        path: of the file.
        found: (arm, seed) -> scores.
        places: arm -> measure -> the (stage, task, metric)s that it is the mean of.
    """
    tables = [
        table[table["task"].eq(task) & table["metric"].eq(metric)].assign(arm=arm, seed=seed, stage=stage)
        for (arm, seed), stages in found.items()
        for stage, task, metric in dict.fromkeys(place for parts in places[arm].values() for place in parts)
        for table in [stages[stage]]
    ]
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
    whole[_COLUMNS].to_parquet(path, index=False)


def read(path: Path) -> dict[tuple[str, int], Scores]:
    """Read what `write` wrote: (arm, seed) -> stage -> scores.

    Raises:
        ValueError: the file has other columns.
    """
    table = pd.read_parquet(path)
    if list(table.columns) != _COLUMNS:
        raise ValueError(
            f"{path} has the columns {list(table.columns)}, allowed are {_COLUMNS}; run its comparison again"
        )
    found: dict[tuple[str, int], Scores] = {}
    for arm, of_arm in table.groupby("arm", sort=False):
        for seed, of_run in of_arm.groupby("seed", sort=False):
            stages = of_run.drop(columns=["arm", "seed"]).groupby("stage", sort=False)
            found[str(arm), int(str(seed))] = {str(stage): rows.drop(columns="stage") for stage, rows in stages}
    return found
