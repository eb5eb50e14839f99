"""Counts over the tables of Ego-ExoClip, made batch by batch and added up, so that no table is in memory as a whole.

They add up to the same whatever the batches are. Many are kept by take, because which takes have a clip is known only
when all clips are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.data.sources import egoexo4d
from components.data.statistics.running_moments import RunningMoments, combine

DURATION_EDGES_S = (*np.round(np.arange(0, 3.01, 0.2), 1).tolist(), None)  # None: no upper end
WORD_EDGES = (*range(0, 31, 2), None)
CLIP_COLUMNS = ["moment_id", "source", "take_id", "view", "start_s", "end_s", "text", "split"]
VIDEO_COLUMNS = ["source", "take_id", "duration_s"]
NARRATION_COLUMNS = ["source", "take_id"]
REJECT_COLUMNS = ["step", "row_id", "reason"]


@dataclass(frozen=True)
class Distribution:
    """How some numbers are distributed; `one + other` is of both groups of numbers together.

    Attributes:
        statistics: their count, mean and standard deviation.
        largest: the largest of them, minus infinity where there are none.
        histogram: how many lie between two edges, shape [bins].
    """

    statistics: RunningMoments
    largest: float
    histogram: np.ndarray

    def __add__(self, other: Distribution) -> Distribution:
        return Distribution(
            combine(self.statistics, other.statistics),
            max(self.largest, other.largest),
            self.histogram + other.histogram,
        )


@dataclass(frozen=True)
class CorpusCounts:
    """Counts and sums over some rows of Ego-Exo4D, each by a key.

    Attributes:
        clips: clips by (split, view).
        moments: moments that have a clip, by (split, take).
        duration_s, words: of those moments, by split.
        under_1s: how many of those moments are shorter than a second, by split.
        videos, video_s: videos and their seconds, by take.
        narrations: narrations by take.
        drops: rejects by (step, reason).
        dropped_groups: rejects by (take, reason), of the takes that were dropped whole.
    """

    clips: dict[tuple[str, str], int] = field(default_factory=dict)
    moments: dict[tuple[str, str], int] = field(default_factory=dict)
    duration_s: dict[str, Distribution] = field(default_factory=dict)
    words: dict[str, Distribution] = field(default_factory=dict)
    under_1s: dict[str, int] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)
    video_s: dict[str, float] = field(default_factory=dict)
    narrations: dict[str, int] = field(default_factory=dict)
    drops: dict[tuple[str, str], int] = field(default_factory=dict)
    dropped_groups: dict[tuple[str, str], int] = field(default_factory=dict)


def add(total: CorpusCounts, more: CorpusCounts) -> CorpusCounts:
    """Add `more` to `total`, in place, and return `total`; its keys keep the order in which they first came."""
    for name, counts in vars(total).items():
        for key, value in vars(more)[name].items():
            counts[key] = counts[key] + value if key in counts else value
    return total


def distribution(values: np.ndarray, edges: tuple) -> Distribution:
    """Return the distribution of numbers, shape [N]; the last bin of `edges` has no upper end."""
    known = len(values) > 0
    statistics = (len(values), float(values.mean()), float(values.std())) if known else (0, np.nan, np.nan)
    histogram, _ = np.histogram(values, bins=[*edges[:-1], np.inf])
    return Distribution(statistics, float(values.max(initial=-np.inf)), histogram)


def of_clips(batches: Iterable[pd.DataFrame]) -> Iterator[CorpusCounts]:
    """Yield the counts of each batch of clips.

    Args:
        batches: CLIP_COLUMNS, in the order of the table. The clips of a moment follow one another, as the step `clips`
            writes them; a batch may begin in the middle of them.
    """
    last = ""
    for rows in batches:
        ids = rows["moment_id"]
        is_first = ids.ne(ids.shift(fill_value=last))
        last = ids.iloc[-1] if len(ids) else last
        yield _of_clips(_own(rows), _own(rows[is_first]))


def _of_clips(clips: pd.DataFrame, moments: pd.DataFrame) -> CorpusCounts:
    duration_s = moments["end_s"] - moments["start_s"]
    words = moments["text"].str.split().str.len().astype(np.float64)
    return CorpusCounts(
        clips=_counts(clips, "split", "view"),
        moments=_counts(moments, "split", "take_id"),
        duration_s=_distributions(duration_s, moments["split"], DURATION_EDGES_S),
        words=_distributions(words, moments["split"], WORD_EDGES),
        under_1s=_counts(moments[duration_s < 1], "split"),
    )


def of_videos(rows: pd.DataFrame) -> CorpusCounts:
    """Count a batch of videos, its VIDEO_COLUMNS."""
    own = _own(rows)
    seconds = own.groupby("take_id", sort=False)["duration_s"].sum()
    return CorpusCounts(videos=_counts(own, "take_id"), video_s=seconds.to_dict())


def of_narrations(rows: pd.DataFrame) -> CorpusCounts:
    """Count a batch of narrations, its NARRATION_COLUMNS."""
    return CorpusCounts(narrations=_counts(_own(rows), "take_id"))


def of_rejects(rows: pd.DataFrame) -> CorpusCounts:
    """Count a batch of rejects of the steps `annotations` and `clips`, its REJECT_COLUMNS."""
    by_clips = rows["step"] == "clips"
    drops = rows[by_clips | (rows["step"] == f"annotations/{egoexo4d.SOURCE}")]
    groups = rows[by_clips & rows["reason"].str.startswith("group_")]
    return CorpusCounts(drops=_counts(drops, "step", "reason"), dropped_groups=_counts(groups, "row_id", "reason"))


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["source"] == egoexo4d.SOURCE]


def _counts(rows: pd.DataFrame, *columns: str) -> dict:
    return rows.groupby(list(columns), sort=False).size().to_dict()


def _distributions(values: pd.Series, split: pd.Series, edges: tuple) -> dict[str, Distribution]:
    return {str(name): distribution(own.to_numpy(), edges) for name, own in values.groupby(split, sort=False)}
