"""The rules: an expectation by its Great Expectations name, with its arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

Rule = tuple[str, dict]


@dataclass(frozen=True)
class Contract:
    """A flat table, the column that names its rows, and the rules that must hold."""

    frame: pd.DataFrame
    key: str
    rules: list[Rule]


def unique(column: str) -> list[Rule]:
    """No value stands twice."""
    return [("ExpectColumnValuesToBeUnique", {"column": column})]


def among(**columns: Iterable[object]) -> list[Rule]:
    """Every value is one of those listed."""
    return [
        ("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})
        for column, values in columns.items()
    ]


def between(column: str, low: float | None, high: float | None, *, strict: bool = False) -> list[Rule]:
    """Every value is inside the limits.

    Args:
        column: of numbers.
        low: the lower limit, None for none.
        high: the upper limit, None for none.
        strict: whether a value must be above the lower limit; otherwise it may be equal to it.
    """
    limits = {"min_value": low, "max_value": high, "strict_min": strict}
    return [("ExpectColumnValuesToBeBetween", {"column": column, **limits})]


def less(smaller: str, larger: str) -> list[Rule]:
    """Every value of the first column is below that of the second."""
    return [("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": larger, "column_B": smaller})]


def sentences(frame: pd.DataFrame) -> list[Rule]:
    """Every column whose name is a sentence (has spaces) is True in all rows."""
    return [rule for column in frame if " " in column for rule in among(**{column: [True]})]


def in_video(frame: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Add two sentences to the rows: the video is known, and the times end inside it (a frame later is allowed)."""
    lengths = videos[["video_id", "duration_s", "fps"]].drop_duplicates("video_id")
    frame = frame.merge(lengths, on="video_id", how="left")
    frame["the video is known"] = frame["duration_s"].notna()
    last_s = frame["end_s"] if "end_s" in frame else frame["time_s"]
    frame["ends inside its video"] = (last_s <= frame["duration_s"] + 1 / frame["fps"]) | frame["duration_s"].isna()
    return frame.drop(columns=["duration_s", "fps"])
