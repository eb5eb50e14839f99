"""What happens in each ego video, whoever tells it: narrated clips and labelled intervals stand in for one another.

Long windows, temporal grounding and verification are asked of events: the intervals of a video, or, where no source
labels any, its narrated clips. Short-term questions are asked of clips: those of narrations, or, in the videos of a
source that labels and does not narrate, its intervals. Web video has no events: of what the funnel dropped, nobody
knows what happens there.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.egore.rule_based import fact_codes
from components.records import CLIP, INTERVAL


def of_videos(intervals: pd.DataFrame, clips: pd.DataFrame, narrations: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals, and the ego clips of videos that have none.

    Of several annotators of a video the one who tells most is taken: two tell the same events twice.

    Args:
        intervals: table of components/records/schemas.py.
        clips: of takes, table of components/records/schemas.py.
        narrations: table of components/records/schemas.py, which the clips were cut from.

    Returns:
        Rows of the columns of intervals; of an event that is a clip, the `interval_id` is its `clip_id`.
    """
    told = clips[(clips["view"] == "ego") & ~clips["video_id"].isin(intervals["video_id"])]
    if told.empty:
        return intervals
    told = told.merge(narrations[["narration_id", "annotator_id"]], on="narration_id")
    counted = told.value_counts(["video_id", "annotator_id"]).reset_index()
    counted = counted.sort_values(["video_id", "count", "annotator_id"], ascending=[True, False, True])
    told = told.merge(counted.drop_duplicates("video_id")[["video_id", "annotator_id"]])
    return pd.concat([intervals, told.assign(interval_id=told["clip_id"])[INTERVAL.names]], ignore_index=True)


def of_takes(
    clips: pd.DataFrame, intervals: pd.DataFrame, narrations: pd.DataFrame, videos: pd.DataFrame
) -> pd.DataFrame:
    """Return the clips, and the intervals that a source gives of its own ego videos where nobody narrated the take.

    Args:
        clips: table of components/records/schemas.py.
        intervals: table of components/records/schemas.py; those outside their video are left to
            `grounding.temporal`, which rejects them.
        narrations: table of components/records/schemas.py.
        videos: table of components/records/schemas.py.

    Returns:
        Rows of the columns of clips; of a clip that is an interval, all ids are its `interval_id`.
    """
    silent = intervals[~intervals["take_id"].isin(narrations["take_id"])]
    own = videos[["video_id", "source", "view", "duration_s"]]
    shown = silent.merge(own, on=["video_id", "source"])
    inside = (shown["start_s"] >= 0) & (shown["start_s"] < shown["end_s"]) & (shown["end_s"] <= shown["duration_s"])
    shown = shown[inside & (shown["view"] == "ego")]
    if shown.empty:
        return clips
    ids = {name: shown["interval_id"] for name in ("clip_id", "moment_id", "narration_id")}
    return pd.concat([clips, shown.assign(**ids)[CLIP.names]], ignore_index=True)


def without_given_span(clips: pd.DataFrame, narrations: pd.DataFrame) -> pd.Series:
    """Return the ids of the clips of narrations that are of a single time: their spans are estimated (systems §1.1).

    Such a clip shows its event, but nobody said when that begins and ends.

    Args:
        clips: table of components/records/schemas.py.
        narrations: table of components/records/schemas.py.
    """
    of_one_time = narrations.loc[narrations["start_s"].isna(), "narration_id"]
    return clips.loc[clips["narration_id"].isin(of_one_time), "clip_id"]


def takes_of_the_kitchen(*tables: pd.DataFrame) -> set[str]:
    """Return the takes that the miniature world tells of: its grammar reads at least half of their texts.

    A single sentence of the grammar ("C opens the blue box") may well be a person's.

    Args:
        *tables: with `take_id` and `text`.
    """
    told = pd.concat([table[["take_id", "text"]] for table in tables], ignore_index=True)
    event, _ = fact_codes.events(told["text"])
    share = pd.Series(np.asarray(event) >= 0).groupby(told["take_id"]).mean()
    return set(share.index[share >= 0.5])
