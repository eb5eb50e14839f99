"""The contracts of the funnel: every clip that was kept meets the thresholds, and no row is lost between two stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.contracts.rules import Rule, among, between, less, sentences
from components.data.funnel import filters, tables

Known = dict[str, pd.DataFrame]


def kept(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    """Return the rules of the clips that were kept."""
    frame = table.to_pandas()
    view, filtered = filters.reasons(frame)
    frame["every threshold is met"] = (view == "") & (filtered == "")
    frame["a later step can read it"] = frame["clip_id"].isin(known["clips"]["clip_id"])
    return frame, [*between("start_s", 0, None), *less("start_s", "end_s"), *sentences(frame)]


def table(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    """Return the rules of the counts of the stages."""
    frame = table.drop_columns(["reasons"]).to_pandas()
    gone = [sum(each["rows"] for each in reasons) for reasons in table["reasons"].to_pylist()]
    frame["what goes in comes out or has a reason"] = frame["rows_in"] == frame["rows_out"] + np.array(gone)
    after = [*frame["rows_in"].iloc[1:], len(known["kept"])]
    frame["what comes out goes into the next stage, or is kept"] = frame["rows_out"] == after
    return frame, [*among(stage=tables.STAGES), *between("rows_out", 0, None), *sentences(frame)]
