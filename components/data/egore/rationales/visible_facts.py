"""Which events each view of a take surely shows, as far as its annotators say.

Ego-Exo4D's annotators say of each narration whether the wearer's camera shows it, whether they are sure, and which of
the cameras outside shows it best, or that none does. Where a source says nothing of the kind, a view shows everything.
"""

from __future__ import annotations

import pandas as pd

NEAR_S = 0.5  # annotators put the time of a narration up to this beside the event


def visible_facts(events: pd.DataFrame, narrations: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Find the events that each video shows: those of its own where it is an ego video, of the whole take from outside.

    An event is hidden in ego where a narration of it says so, and outside from every camera that none of its narrations
    calls the best one; but only in takes whose narrations name such cameras. What an annotator doubts counts nowhere.

    Args:
        events: `interval_id`, `take_id`, `video_id` (of the wearer), `event`, `start_s`, `end_s` and whether its source
            gives that span (`is_given`).
        narrations: table of components/records/schemas.py, with the `event` of each.
        videos: table of components/records/schemas.py.

    Returns:
        `video_id`, `interval_id`, `event`, `start_s`, `end_s` and `is_given`, in the order of video and time.
    """
    said = narrations.merge(events[["interval_id", "take_id", "event", "start_s", "end_s"]], on=["take_id", "event"],
                            suffixes=("_said", ""))  # fmt: skip
    said = said[(said["time_s"] >= said["start_s"] - NEAR_S) & (said["time_s"] <= said["end_s"] + NEAR_S)]
    doubted = said.loc[said["unsure"].fillna(False).astype(bool), "interval_id"]
    unseen = said.loc[~said["ego_visible"].fillna(True).astype(bool), "interval_id"]
    best = said.loc[said["best_exo"].notna(), ["interval_id", "best_exo"]].drop_duplicates()
    telling = narrations.loc[narrations["best_exo"].notna(), "take_id"]
    sure = events[~events["interval_id"].isin(doubted)]
    in_ego = sure[~sure["interval_id"].isin(unseen)]
    cameras = videos.loc[videos["view"] == "exo", ["video_id", "take_id", "camera_id"]]
    outside = sure.drop(columns="video_id").merge(cameras, on="take_id")
    named = outside.merge(best, left_on=["interval_id", "camera_id"], right_on=["interval_id", "best_exo"])
    shown = pd.concat([in_ego, outside[~outside["take_id"].isin(telling)], named], ignore_index=True)
    columns = ["video_id", "interval_id", "event", "start_s", "end_s", "is_given"]
    return shown[columns].sort_values(["video_id", "start_s", "end_s", "interval_id"], ignore_index=True)
