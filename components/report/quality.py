"""The quality of the questions: the table of data/quality beside the published share of right ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from components.data.statistics.paper_figures import QA_RIGHT_PERCENT
from components.metrics.statistics import wilson
from components.report.counts import CountTable

HEADER = (
    "type",
    "samples",
    "checked",
    "right",
    "95 % interval",
    "chance",
    "blind",
    "blind lift",
    "worst position, σ",
    "near-duplicates",
    "contaminated",
)


def read_quality(data: Path) -> CountTable | None:
    """Read data/quality/types.parquet as a table to print; None where it is not there.

    Shares are in percent, with Wilson's intervals. A value that was not measured is a dash.
    """
    path = data / "quality" / "types.parquet"
    if not path.exists():
        return None
    title = f"share right beside the {QA_RIGHT_PERCENT:g} % that EgoThinker found in a sample of its own"
    return CountTable(title, list(HEADER), [_row(row) for row in pq.read_table(path).to_pylist()])


def _row(row: dict) -> list[tuple[str, bool]]:
    low, high = wilson(row["right"], row["checked"])
    cells = (
        f"{row['samples']:,}",
        f"{row['checked']:,}",
        _percent(row["share_right"]),
        f"{100 * low:.1f} to {100 * high:.1f}" if row["checked"] else "–",
        _percent(row["chance"]),
        _percent(row["blind_accuracy"]),
        _percent(row["blind_lift"]),
        "–" if row["position_sigma"] is None else f"{row['position_sigma']:+.1f}",
        f"{row['near_duplicates']:,}",
        f"{row['contaminated']:,}",
    )
    name = f"{row['corpus']} · {row['task']} · {row['question_type']}"
    return [(name, False), *((cell, True) for cell in cells)]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
