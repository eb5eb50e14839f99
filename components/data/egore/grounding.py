"""Fine-grained grounding: boxes in one ego frame, intervals in the window of a whole take (systems §4.1, §4.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from components.data import sample_table
from components.prompts import (
    format_box,
    parse_box,
    spatial_answer,
    spatial_question,
    temporal_answer,
    temporal_question,
)

_HAND_NAMES = ("left hand", "right hand")  # as every source of boxes names hands


def spatial(
    boxes: pd.DataFrame, videos: pd.DataFrame, *, grid: int, min_percent: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask where a hand or an object is in one frame.

    Args:
        boxes: table of components/records/schemas.py, in percent of the frame.
        videos: table of components/records/schemas.py.
        grid: answers are multiples of this percentage; the target, which rewards and evaluation read, stays exact.
        min_percent: boxes whose shorter side is below this are rejected.

    Returns:
        Samples for `sample_table.table`, and the rejects: no video, the name stands twice in the frame, too small, or
        nothing left of the box on the grid.
    """
    frame = boxes.merge(videos[["video_id", "view", "fps"]], on="video_id", how="left")
    corners = np.array(frame["box_xyxy"].tolist(), dtype=np.float64).reshape(-1, 4)
    sides = np.minimum(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    answers = [spatial_answer(name, tuple(box), grid) for name, box in zip(frame["name"], corners, strict=True)]
    on_grid = np.array([parse_box(format_box(tuple(box), grid)) is not None for box in corners], dtype=bool)
    reason = np.select(
        [
            frame["view"].isna(),
            frame.duplicated(["video_id", "frame", "name"], keep=False),
            sides < min_percent,
            ~on_grid,
        ],
        ["no_video", "name_repeats_in_frame", "box_too_small", "box_empty_on_grid"],
        "",
    )
    frame = frame.assign(
        corpus="egore",
        task="ground_spatial",
        question_type=np.where(frame["name"].isin(_HAND_NAMES), "spatial_hand", "spatial_object"),
        frame_kind="image",
        start_s=frame["time_s"],
        end_s=frame["time_s"] + 1 / frame["fps"],
        question=[spatial_question(name) for name in frame["name"]],
        answer=answers,
        kind="box",
        parent=frame["box_id"],
    )
    return frame[reason == ""], sample_table.dropped(frame, reason, row_id="box_id", detail="name")


def temporal(
    intervals: pd.DataFrame, videos: pd.DataFrame, *, event_of: Callable[[str], str | None], time_step_s: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask when an event happens in the ego window of its whole take.

    Args:
        intervals: table of components/records/schemas.py.
        videos: table of components/records/schemas.py.
        event_of: given the text of an interval, returns the event that the question names; None where it cannot be
            read. Texts of one event (with the hand or without) have equal events.
        time_step_s: answers are multiples of this; the target keeps the exact times.

    Returns:
        Samples for `sample_table.table`, with their `event`; and the rejects: no video, a view other than ego, a text
        that `event_of` cannot read, outside the video, or an event that comes twice in the take, so that the question
        has two answers.
    """
    length = videos[["video_id", "view", "duration_s"]]
    frame = intervals.merge(length, on="video_id", how="left")
    frame["event"] = pd.Series([event_of(text) for text in frame["text"]], frame.index, dtype=object)
    known = frame["event"].notna()
    repeats = frame.duplicated(["source", "video_id", "event"], keep=False) & known
    inside = (frame["start_s"] >= 0) & (frame["start_s"] < frame["end_s"]) & (frame["end_s"] <= frame["duration_s"])
    reason = np.select(
        [frame["view"].isna(), frame["view"] != "ego", ~known, ~inside, repeats],
        ["no_video", "not_ego", "text_unparsed", "outside_video", "event_repeats"],
        "",
    )
    rejected = sample_table.dropped(frame, reason, row_id="interval_id", detail="text")
    frame = frame[reason == ""]
    spans = zip(frame["event"], frame["start_s"], frame["end_s"], strict=True)
    return frame.assign(
        corpus="egore",
        task="ground_temporal",
        question_type="temporal",
        frame_kind="window",
        from_s=frame["start_s"],
        to_s=frame["end_s"],
        start_s=0.0,
        end_s=frame["duration_s"],
        question=[temporal_question(event) for event in frame["event"]],
        answer=[temporal_answer(event, start_s, end_s, time_step_s) for event, start_s, end_s in spans],
        kind="span",
        text=None,
        parent=frame["interval_id"],
    ), rejected
