"""A corpus of which nothing is left was not filtered: something is wrong, and the step that lost it stops.

What came in empty may go out empty: who has conversations alone has no clips.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data.media import FOLDERS
from components.data.partition.runner import TO_PARTITIONS

RowCounts = list[tuple[str, int, int, int]]
_TEXTS = ("annotations/captions", "annotations/questions")
# step -> tables that came in, the table that went out, and the columns whose values name a corpus in all of them
CORPORA: dict[str, tuple[tuple[str, ...], str, list[str]]] = {
    "media": (_TEXTS, "media/videos", ["source"]),
    "clips": (("annotations/narrations",), "clips/clips", ["source"]),
    "dataset": (("pretraining/samples", "egoit/samples", "egore/samples"), "dataset/samples", ["corpus", "task"]),
}
# a filter may keep nothing: of the funnel, its own table says at which stage the rows went
WHOLE = {
    "pretraining": "pretraining/samples",
    "egoit": "egoit/samples",
    "egore": "egore/samples",
    "frames": "frames/index",
}
_THINNED = "mixture_rate"  # was asked for, by `rates` of params/data.yaml
_REASONS = 3


def require(step: str, row_counts: RowCounts, data_dir: Path) -> None:
    """Make sure that something is left of every corpus that came into a step.

    Args:
        step: of the data graph.
        row_counts: (what, rows in, rows out, rejected), as the step counts them.
        data_dir: the folder data/, where the step has run.

    Raises:
        ValueError: of a corpus, or of everything, no row went out; names it with the most frequent reasons.
    """
    if step in CORPORA:
        came_in, went_out, names = CORPORA[step]
        left = _counted((went_out,), names, data_dir)
        lost = {name: rows for name, rows in _counted(came_in, names, data_dir).items() if name not in left}
    elif step in WHOLE and not pq.read_metadata(data_dir / f"{WHOLE[step]}.parquet").num_rows:
        # rows of corpora that a step is not about are carried to its partitions too
        lost = {what: rows for what, rows, _, _ in row_counts if rows and not what.endswith(TO_PARTITIONS)}
    else:
        return
    rejects = pq.read_table(data_dir / step / "rejects.parquet", columns=["reason", "detail"])
    thinned = rejects.filter(pc.equal(rejects["reason"], _THINNED))
    if step in CORPORA:  # the detail of such a reject is its corpus
        lost = {name: rows for name, rows in lost.items() if name not in thinned["detail"].to_pylist()}
    elif 0 < len(thinned) == len(rejects):
        lost = {}
    if lost:
        raise ValueError(_complaint(step, lost, rejects))


def _counted(tables: tuple[str, ...], names: list[str], data_dir: Path) -> dict[str, int]:
    """Count the rows of each corpus; of captions and questions, those whose media the step `media` looks for."""
    parts = [pq.read_table(data_dir / f"{table}.parquet", columns=names) for table in tables]
    if tables == _TEXTS:
        parts = [part.filter(pc.is_in(part["source"], pa.array(FOLDERS))) for part in parts]
    counted = pa.concat_tables(parts).group_by(names).aggregate([([], "count_all")])
    return {"/".join(row[name] for name in names): row["count_all"] for row in counted.to_pylist()}


def _complaint(step: str, lost: dict[str, int], rejects: pa.Table) -> str:
    counts = sorted(rejects["reason"].value_counts().to_pylist(), key=lambda each: -each["counts"])[:_REASONS]
    reasons = ", ".join(f"{each['values']} {each['counts']:,}" for each in counts) or "none is given"
    rows = ", ".join(f"{name} ({count:,} rows came in)" for name, count in lost.items())
    return (
        f"step {step!r}: nothing is left of {rows}; the most frequent reasons of all rejects are: {reasons}. Look at "
        f"data/{step}/rejects.parquet, and mend the part `{step}` of params/data.yaml or the files of the source; a "
        "corpus that is not wanted is taken out of `sources`, or has a rate of 0"
    )
