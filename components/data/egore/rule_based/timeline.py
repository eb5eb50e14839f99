"""What the annotations say around a clip: clips of askable length, and the narrations of their takes in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.clips.moments import sorted_rows
from components.data.egore.rule_based import fact_codes
from components.data.egore.rule_based.fact_codes import OBJECTS

SHORTEST_S, LONGEST_S = 1.0, 10.0  # of a short-term question (systems §4.1)
APART_S = 1e6  # between the takes of one number line; no video is as long
_EDGE_S = 1e-3  # clips are cut at their neighbours' narrations, which then belong to them as well


def fitted(clips: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit clips to what a short-term question may show.

    Args:
        clips: the table of components/records/schemas.py.
        videos: the table of components/records/schemas.py.

    Returns:
        The clips, one under a second widened to a second around its middle and kept inside its video; and the rejects,
        which are longer than ten seconds or of a video under a second.
    """
    of_video = fact_codes.places(clips["video_id"], videos["video_id"])
    duration_s = np.append(videos["duration_s"].to_numpy(dtype=np.float64), np.nan)[of_video]
    start_s, end_s = (clips[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s"))
    under = end_s - start_s < SHORTEST_S
    middle_s = (start_s + end_s) / 2
    from_s = np.clip(middle_s - SHORTEST_S / 2, 0, np.maximum(duration_s - SHORTEST_S, 0))
    fit = clips.assign(start_s=np.where(under, from_s, start_s), end_s=np.where(under, from_s + SHORTEST_S, end_s))
    reason = np.select(
        [under & (duration_s < SHORTEST_S), end_s - start_s > LONGEST_S],
        ["video_under_a_second", "clip_over_ten_seconds"],
        "",
    )
    return fit[reason == ""], sample_table.dropped(clips, reason, row_id="clip_id", detail="text")


@dataclass(frozen=True)
class Timeline:
    """The narrations of some takes in the order of take and time; every array has shape [N].

    Attributes:
        take: number of the take.
        time_s: seconds of the take.
        text: as it was narrated.
        event: number of components/data/egore/rule_based/fact_codes.py, -1 where the text does not parse.
        hand: number of the hand, -1 where the text names none.
        sure: whether the narration is seen in ego and not doubted by its annotator.
        known: whether it parses too: of a span with a narration that is not known, nobody can say all that is done.
        clip: row of the narration's clip, -1 where it has none.
        start_s: start of that clip, seconds.
        end_s: end of that clip, seconds.
        low: the clip shows the narrations [low, high).
        high: end of that range.
    """

    take: np.ndarray
    time_s: np.ndarray
    text: pd.api.extensions.ExtensionArray
    event: np.ndarray
    hand: np.ndarray
    sure: np.ndarray
    known: np.ndarray
    clip: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def within(self, take: np.ndarray, start_s: np.ndarray, end_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the narrations of some spans, their ends included.

        Args:
            take: number of the take of each span, shape [M].
            start_s: seconds of the take, shape [M].
            end_s: seconds of the take, shape [M].

        Returns:
            The first narration of each span and the first one behind it, shape [M] each.
        """
        return _within(self.take * APART_S + self.time_s, take * APART_S, start_s, end_s)

    def readable_within(
        self, take: np.ndarray, start_s: np.ndarray, end_s: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the narrations in some spans that the grammar can read.

        Args:
            take: number of each span's take, int64 [spans].
            start_s: where each begins, float64 [spans].
            end_s: where each ends, exclusive, float64 [spans].

        Returns:
            Of each narration found the number of its span, and its place on the timeline: int64 [K] each.
        """
        rows, place = fact_codes.expand(*self.within(take, start_s, end_s))
        readable = self.event[place] >= 0
        return rows[readable], place[readable]

    def fits_one_question(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Return whether the clips of two narrations span at most `LONGEST_S` of one take, bool."""
        have_clips = (self.clip[first] >= 0) & (self.clip[last] >= 0)
        short = self.end_s[last] - self.start_s[first] <= LONGEST_S
        return (self.take[first] == self.take[last]) & have_clips & short

    def all_known(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return for each range [low, high) whether every narration in it is known."""
        unknown = np.concatenate([[0], np.cumsum(~self.known)])
        return unknown[high] == unknown[low]


def _within(
    line: np.ndarray, begin: np.ndarray, start_s: np.ndarray, end_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    low = np.searchsorted(line, begin + start_s - _EDGE_S, side="left")
    return low, np.searchsorted(line, begin + end_s + _EDGE_S, side="right")


def timeline(clips: pd.DataFrame, narrations: pd.DataFrame, takes: pd.Index) -> tuple[Timeline, np.ndarray]:
    """Put narrations in order.

    Args:
        clips: ego clips as `fitted` returns them; one of a narration that is not in the table stands for it, at its
            middle (clips of web videos).
        narrations: the table of components/records/schemas.py.
        takes: take ids; a take's number is its place here. Narrations of other takes are left out. Sources that label
            the same take share its id.

    Returns:
        The timeline, and where on it the narration of each clip stands.
    """
    alone = clips[fact_codes.places(clips["narration_id"], narrations["narration_id"]) < 0]
    alone = alone.assign(time_s=(alone["start_s"] + alone["end_s"]) / 2, ego_visible=True, unsure=False)
    columns = ["narration_id", "take_id", "time_s", "text", "ego_visible", "unsure"]
    rows = pd.concat([narrations[columns], alone[columns]], ignore_index=True) if len(alone) else narrations[columns]
    take = fact_codes.places(rows["take_id"], takes)
    of_takes = np.flatnonzero(take >= 0)
    ids, time_s = rows["narration_id"], rows["time_s"].to_numpy(dtype=np.float64)
    order = of_takes[sorted_rows(take[of_takes], time_s[of_takes], ids.iloc[of_takes])]
    rows, take, time_s = rows.iloc[order], take[order], time_s[order]
    event, hand = fact_codes.events(rows["text"])
    seen = rows["ego_visible"].fillna(True).to_numpy(dtype=bool)
    # a narration may have clips of several ego cameras: windows begin on the first of them
    clip = fact_codes.places(rows["narration_id"], clips["narration_id"])
    span = [np.append(clips[name].to_numpy(dtype=np.float64), np.nan)[clip] for name in ("start_s", "end_s")]
    sure = seen & ~rows["unsure"].to_numpy(dtype=bool)
    inside = _within(take * APART_S + time_s, take * APART_S, *span)
    line = Timeline(take, time_s, rows["text"].array, event, hand, sure, sure & (event >= 0), clip, *span, *inside)
    return line, fact_codes.places(clips["narration_id"], rows["narration_id"])


def first_times(takes: pd.Index, *tables: tuple[pd.DataFrame, str, str]) -> np.ndarray:
    """Find when the texts of some tables first name each object in each take.

    Args:
        takes: take ids; rows of other takes are left out.
        tables: (table, column of the text, column of the time), with a `take_id` each.

    Returns:
        Seconds, shape [takes, objects]; infinity where a take never names an object.
    """
    first_s = np.full((len(takes) + 1) * OBJECTS, np.inf)
    for table, text, time in tables:
        rows, objects = fact_codes.named(table[text])
        take = fact_codes.places(table["take_id"], takes)[rows]
        # the last row is of the other takes, which are number -1
        np.minimum.at(first_s, take * OBJECTS + objects, table[time].to_numpy(dtype=np.float64)[rows])
    return first_s.reshape(-1, OBJECTS)[:-1]
