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
        clips, videos: tables of components/records/schemas.py.

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
    made = clips.assign(start_s=np.where(under, from_s, start_s), end_s=np.where(under, from_s + SHORTEST_S, end_s))
    reason = np.select(
        [under & (duration_s < SHORTEST_S), end_s - start_s > LONGEST_S],
        ["video_under_a_second", "clip_over_ten_seconds"],
        "",
    )
    return made[reason == ""], sample_table.dropped(clips, reason, row_id="clip_id", detail="text")


@dataclass(frozen=True)
class Timeline:
    """The narrations of some takes in the order of take and time; every array has shape [N].

    `sure` narrations are seen in ego and not doubted; `known` ones parse too: of a span that holds another it cannot
    be told what is done in all. `clip` is the row of the narration's clip, -1 where it has none; `start_s` and `end_s`
    are the clip's, `low` and `high` the narrations [low, high) in it.
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
        """Return the first narration of each span, its ends included, and the first one behind it, shape [M] each."""
        return _within(self.take * APART_S + self.time_s, take * APART_S, start_s, end_s)

    def all_known(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Say of each range [low, high) whether every narration in it is known."""
        unknown = np.concatenate([[0], np.cumsum(~self.known)])
        return unknown[high] == unknown[low]


def _within(line: np.ndarray, begin: np.ndarray, start_s: np.ndarray, end_s: np.ndarray) -> tuple:
    low = np.searchsorted(line, begin + start_s - _EDGE_S, side="left")
    return low, np.searchsorted(line, begin + end_s + _EDGE_S, side="right")


def timeline(clips: pd.DataFrame, narrations: pd.DataFrame, takes: pd.Index) -> tuple[Timeline, np.ndarray]:
    """Put narrations in order.

    Args:
        clips: ego clips as `fitted` gives them; one of a narration that is not in the table stands for it, at its
            middle (clips of web videos).
        narrations: the table of components/records/schemas.py.
        takes: take ids; narrations of other takes are left out. Sources that label the same take share its id.

    Returns:
        The timeline, and where on it the narration of each clip stands.
    """
    alone = clips[fact_codes.places(clips["narration_id"], narrations["narration_id"]) < 0]
    alone = alone.assign(time_s=(alone["start_s"] + alone["end_s"]) / 2, ego_visible=True, unsure=False)
    columns = ["narration_id", "take_id", "time_s", "text", "ego_visible", "unsure"]
    said = pd.concat([narrations[columns], alone[columns]], ignore_index=True) if len(alone) else narrations[columns]
    take = fact_codes.places(said["take_id"], takes)
    of_takes = np.flatnonzero(take >= 0)
    ids, time_s = said["narration_id"], said["time_s"].to_numpy(dtype=np.float64)
    order = of_takes[sorted_rows(take[of_takes], time_s[of_takes], ids.iloc[of_takes])]
    said, take, time_s = said.iloc[order], take[order], time_s[order]
    event, hand = fact_codes.events(said["text"])
    seen = said["ego_visible"].fillna(True).to_numpy(dtype=bool)
    # a narration may have clips of several ego cameras: windows begin on the first of them
    clip = fact_codes.places(said["narration_id"], clips["narration_id"])
    span = [np.append(clips[name].to_numpy(dtype=np.float64), np.nan)[clip] for name in ("start_s", "end_s")]
    sure = seen & ~said["unsure"].to_numpy(dtype=bool)
    inside = _within(take * APART_S + time_s, take * APART_S, *span)
    line = Timeline(take, time_s, said["text"].array, event, hand, sure, sure & (event >= 0), clip, *span, *inside)
    return line, fact_codes.places(clips["narration_id"], said["narration_id"])


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
        rows, thing = fact_codes.named(table[text])
        take = fact_codes.places(table["take_id"], takes)[rows]
        # the last row is of the other takes, which are number -1
        np.minimum.at(first_s, take * OBJECTS + thing, table[time].to_numpy(dtype=np.float64)[rows])
    return first_s.reshape(-1, OBJECTS)[:-1]
