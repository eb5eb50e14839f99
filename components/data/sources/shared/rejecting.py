"""Rows that are dropped, with the reason, and with their name and place in the source, by which a person finds them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from components import records

Batch = tuple[pd.DataFrame, pd.DataFrame]  # rows, rejects
# rows by the names of records.SCHEMAS, whose frames may also have columns of PLACES; and rejects
Tables = tuple[dict[str, pd.DataFrame], pd.DataFrame]
PLACES = ("row_id", "line", "key")  # name of a row in its source; its line in the file; its element of a list or object
_DETAIL = 200  # characters


def reject_rows(source: str, row_ids: Iterable, reasons: Iterable[str], details: Iterable) -> pd.DataFrame:
    """Make rows of `records.REJECT`.

    Args:
        source: name of the dataset.
        row_ids: which rows were rejected, by their ids in the source.
        reasons: a word for each.
        details: a value for each that shows what is wrong; cut at _DETAIL characters.
    """
    kept = [str(detail)[:_DETAIL].encode(errors="replace").decode() for detail in details]
    frame = {"step": f"annotations/{source}", "row_id": list(row_ids), "reason": list(reasons), "detail": kept}
    return pd.DataFrame(frame, columns=records.REJECT.names, dtype="str")


def reject_where(frame: pd.DataFrame, masks: dict[str, pd.Series], *, source: str, detail: Iterable[str]) -> Batch:
    """Reject the rows for which a mask is true, with the first reason whose mask is true, and keep the others.

    The second of two kept rows with the same `row_id` is rejected as `repeated_id`.

    Args:
        frame: has a column `row_id`, the name of the row in its source.
        masks: reason -> bool series [rows], True where the reason holds; in order of precedence.
        source: name of the dataset.
        detail: columns of `frame` whose values are the detail of a reject, behind the place of the row.

    Returns:
        The kept rows, and the rejects.
    """
    reason = np.select([mask.to_numpy(dtype=bool) for mask in masks.values()], list(masks), "").astype(object)
    fine = np.flatnonzero(reason == "")
    reason[fine[frame["row_id"].iloc[fine].duplicated().to_numpy()]] = "repeated_id"
    kept = reason == ""
    refused = frame[~kept]
    shown = zip(*(refused[name] for name in detail), strict=True)
    details = [place + ", ".join(map(str, row)) for place, row in zip(places(refused), shown, strict=True)]
    fit = frame if kept.all() else frame[kept]  # a copy of all columns takes as long as the checks
    return fit, reject_rows(source, refused["row_id"], reason[~kept], details)


def places(frame: pd.DataFrame) -> list[str]:
    """Return where rows stand in their file, to begin a detail with; "" where the frame does not say.

    >>> places(pd.DataFrame({"line": [2, 7]}))
    ['line 2: ', 'line 7: ']
    """
    for column, what in (("line", "line"), ("key", "element")):
        if column in frame:
            return [f"{what} {value}: " for value in frame[column]]
    return [""] * len(frame)
