"""The training samples that are there, counted by what mixtures and rewards tell apart. Reads a few columns alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq


class Kind(NamedTuple):
    """Samples of one key of a mixture with one kind of target."""

    key: str  # corpus/task/view
    target: str  # text, choice, span or box
    question_type: str
    paired: bool  # whether they have an exo view of the same moment


def counted(data: Path) -> dict[Kind, int] | None:
    """Count the training samples of the data graph's outputs by their kind.

    Args:
        data: its folder.

    Returns:
        None where there are no samples yet.
    """
    path = data / "dataset" / "samples.parquet"
    if not path.is_file():
        return None
    words = ["corpus", "task", "view", "question_type"]
    # of lists and structs one member is enough; `pq.read_table` would import Arrow's datasets first
    table = pq.ParquetFile(path).read(columns=[*words, "split", "target.kind", "paired.list.element.view"])
    table = table.filter(pc.equal(table["split"], "train"))
    grouped = table.select(words)
    grouped = grouped.append_column("target", pc.struct_field(table["target"], "kind"))
    grouped = grouped.append_column("paired", pc.greater(pc.list_value_length(table["paired"]), 0))
    counts = grouped.group_by(grouped.column_names).aggregate([([], "count_all")]).to_pylist()
    return {
        Kind(f"{row['corpus']}/{row['task']}/{row['view']}", row["target"], row["question_type"], row["paired"]): row[
            "count_all"
        ]
        for row in counts
    }
