"""Moments asked in both views: when does it happen, and does it happen here? (EgoExo-Con, systems §5.1).

A verification shows the seconds of an event and no others: a model learns nothing from a window that is only named by
its seconds. Of each event an aligned question and a misaligned one are asked in each view, so that a constant answer is
right half of the time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore import temporal_windows
from components.data.egore.temporal_windows import WindowRules
from components.prompts import NO, YES, verification_question
from components.records import SYNCHRONIZED

_EDGE_S = 0.05  # cameras of one take stop at slightly different times


def cameras_outside(videos: pd.DataFrame, narrations: pd.DataFrame) -> pd.DataFrame:
    """Return one exo camera of each take: the one that most narrations call the best, the first by its id among equals.

    Args:
        videos: table of components/records/schemas.py.
        narrations: table of components/records/schemas.py.
    """
    named = narrations.dropna(subset="best_exo").value_counts(["take_id", "best_exo"]).rename("times").reset_index()
    outside = videos[videos["view"] == "exo"].merge(
        named, left_on=["take_id", "camera_id"], right_on=["take_id", "best_exo"], how="left"
    )
    outside = outside.fillna({"times": 0}).sort_values(["times", "video_id"], ascending=[False, True])
    return outside.drop_duplicates("take_id")


def seen_from_outside(
    timed: pd.DataFrame, cameras: pd.DataFrame, rules: WindowRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask the ego questions of `grounding.temporal` about the same windows of an exo camera of the same take.

    Args:
        timed: the samples of `grounding.temporal`.
        cameras: as `cameras_outside` returns them.
        rules: how windows are cut.

    Returns:
        Samples for `sample_table.table`; and the rejects: asked of an exo view already, no exo camera, one that is not
        synchronized, one that stops before the window ends, or one whose frames cannot tell when the event happens.
    """
    outside = cameras.assign(filmed_for=cameras["source"])
    is_exo = timed["view"].to_numpy() == "exo"
    camera = ["video_id", "view", "duration_s", "fps"]
    frame = timed.drop(columns=camera).merge(outside[["take_id", "filmed_for", *camera]], on="take_id", how="left")
    frame["end_s"] = frame[["end_s", "duration_s"]].min(axis=1)
    reason = np.select(
        [
            is_exo,
            frame["video_id"].isna(),
            ~frame.pop("filmed_for").isin(SYNCHRONIZED),
            frame["duration_s"] < timed["end_s"].to_numpy() - _EDGE_S,
        ],
        ["is_exo_already", "no_exo_video", "not_synchronized", "outside_exo_video"],
        "",
    ).astype(object)
    seen = np.flatnonzero(reason == "")
    reason[seen[~temporal_windows.is_resolved(frame.iloc[seen], rules)]] = "unresolvable"
    return frame[reason == ""], sample_table.dropped(frame, reason, row_id="interval_id", detail="question")


def verification(timed: pd.DataFrame) -> pd.DataFrame:
    """Ask of the seconds of each event whether it happens, and whether something like it does.

    Args:
        timed: temporal questions of any view, with their `event` and a `false_event`, which does not happen; None where
            no false event is known, of which nothing is asked, or a constant answer would be right too often.

    Returns:
        Samples for `sample_table.table`, two for each event.
    """
    # an event may have several windows, and has the same seconds in each
    timed = timed[timed["false_event"].notna()].drop_duplicates("interval_id")
    shown = timed.assign(
        task="verify",
        question_type="verification",
        frame_kind="clip",
        start_s=timed["start_s"] + timed["from_s"],
        end_s=timed["start_s"] + timed["to_s"],
        from_s=np.nan,
        to_s=np.nan,
        kind="choice",
        choices=[[YES, NO]] * len(timed),
    )
    questions = [
        shown.assign(question=[verification_question(event) for event in events], answer=answer, answer_index=index)
        for index, (answer, events) in enumerate([(YES, timed["event"]), (NO, timed["false_event"])])
    ]
    return pd.concat(questions, ignore_index=True)
