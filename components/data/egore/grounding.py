"""Fine-grained grounding: boxes in one ego frame, intervals in a window of an ego video (systems §4.1, §4.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore import temporal_windows
from components.data.egore.temporal_windows import WindowRules
from components.prompts import (
    format_box,
    parse_box,
    spatial_answer,
    spatial_question,
    temporal_answer,
    temporal_question,
)
from components.records import SYNCHRONIZED

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
    intervals: pd.DataFrame,
    videos: pd.DataFrame,
    *,
    event_of: Callable[[str], str | None],
    rules: WindowRules,
    other_times: Callable[[pd.DataFrame], np.ndarray] = temporal_windows.times_of_equal_texts,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask when an event happens in a window of a video.

    Where the views are synchronized, an event on an exo video is one on the ego video too, of which
    `ego_exo_questions.seen_from_outside` asks in both views.

    Args:
        intervals: table of components/records/schemas.py.
        videos: table of components/records/schemas.py.
        event_of: given the text of an interval, returns the event that the question names; None where it cannot be
            read. Texts of one event (with the hand or without) have equal events.
        rules: how windows are cut, and the step of the answers; the target keeps the exact times.
        other_times: as `temporal_windows.cut` takes it.

    Returns:
        Samples for `sample_table.table`, with their `event`; and the rejects: no video, a synchronized exo view, a text
        that `event_of` cannot read, or none of the windows of `temporal_windows.cut`.
    """
    cameras = videos[["video_id", "view", "duration_s", "fps"]].assign(filmed_for=videos["source"])
    frame = intervals.merge(cameras, on="video_id", how="left")
    frame["event"] = pd.Series([event_of(text) for text in frame["text"]], frame.index, dtype=object)
    reason = np.select(
        [
            frame["view"].isna(),
            (frame["view"] != "ego") & frame.pop("filmed_for").isin(SYNCHRONIZED),
            frame["event"].isna(),
        ],
        ["no_video", "not_ego", "text_unparsed"],
        "",
    ).astype(object)
    asked = reason == ""
    windows, reason[asked] = temporal_windows.cut(frame[asked], rules, other_times=other_times)
    rejected = sample_table.dropped(frame, reason, row_id="interval_id", detail="text")
    spans = zip(windows["event"], windows["from_s"], windows["to_s"], strict=True)
    return windows.assign(
        corpus="egore",
        task="ground_temporal",
        question_type="temporal",
        frame_kind="window",
        question=[temporal_question(event) for event in windows["event"]],
        answer=[temporal_answer(event, from_s, to_s, rules.time_step_s) for event, from_s, to_s in spans],
        kind="span",
        text=None,
        parent=windows["interval_id"],
    ), rejected


def of_given_spans(timed: pd.DataFrame, estimated: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the temporal questions about events whose span their source gives.

    Args:
        timed: samples of `temporal`.
        estimated: ids of events whose span was estimated from narrations of single times.

    Returns:
        The samples kept, and the rejects (`estimated_span`).
    """
    unsure = timed["interval_id"].isin(estimated).to_numpy()
    rejected = sample_table.dropped(timed[unsure], "estimated_span", row_id="interval_id", detail="question")
    return timed[~unsure], rejected
