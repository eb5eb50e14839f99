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


def present(*columns: str) -> list[Rule]:
    """No null."""
    return [("ExpectColumnValuesToNotBeNull", {"column": column}) for column in columns]


def unique(column: str) -> list[Rule]:
    """No value twice."""
    return [("ExpectColumnValuesToBeUnique", {"column": column})]


def among(**columns: Iterable[object]) -> list[Rule]:
    """Only the values listed."""
    return [
        ("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})
        for column, values in columns.items()
    ]


def between(column: str, low: float | None, high: float | None, *, strict: bool = False) -> list[Rule]:
    """Inside the limits; None is no limit, `strict` leaves out the lower one."""
    limits = {"min_value": low, "max_value": high, "strict_min": strict}
    return [("ExpectColumnValuesToBeBetween", {"column": column, **limits})]


def less(smaller: str, larger: str) -> list[Rule]:
    """The first column is below the second."""
    return [("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": larger, "column_B": smaller})]


def sentences(frame: pd.DataFrame) -> list[Rule]:
    """Every True/False column, known by the spaces in its name, is True everywhere."""
    return [rule for column in frame if " " in column for rule in among(**{column: [True]})]


def in_video(frame: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Add, as sentences, whether the video is known and whether the row's times end inside it, up to one frame."""
    lengths = videos[["video_id", "duration_s", "fps"]].drop_duplicates("video_id")
    frame = frame.merge(lengths, on="video_id", how="left")
    frame["the video is known"] = frame["duration_s"].notna()
    last_s = frame["end_s"] if "end_s" in frame else frame["time_s"]
    frame["ends inside its video"] = (last_s <= frame["duration_s"] + 1 / frame["fps"]) | frame["duration_s"].isna()
    return frame.drop(columns=["duration_s", "fps"])
