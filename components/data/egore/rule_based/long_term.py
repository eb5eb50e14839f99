"""Long windows: consecutive events of a video joined, and the questions drawn for each (systems §4.1, EgoRe-5M)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.multiple_choice import QA, choice
from components.data.egore.rule_based import long_questions
from components.prompts.kitchen_grammar import parse_narration
from components.records import content_id

IDLE_S = 10.0  # a window holds at most so long a stretch before its first event and after its last

Asked = tuple[QA, float]  # a question, and the second of its window at which what it is asked of ends


def windows(intervals: pd.DataFrame, videos: pd.DataFrame, *, max_s: float) -> pd.DataFrame:
    """Join consecutive events of each ego video to windows, as many events as `max_s` holds.

    A window begins and ends in the middle of a pause, or with the video, so that it cuts no event; events that overlap
    stay together. Sources label the same video each in their own way: their events are never joined.

    Args:
        intervals: table of components/records/schemas.py.
        videos: table of components/records/schemas.py.
        max_s: longest window; only events that overlap for longer make a longer one.

    Returns:
        The intervals on ego videos by window and time, with `view`, `labels` (source and video), `window` (numbered
        from 0), `window_start_s` and `window_end_s`, in seconds of the video.
    """
    ego = videos.loc[videos["view"] == "ego", ["video_id", "view", "duration_s"]]
    rows = intervals.merge(ego, on="video_id")
    rows["labels"] = rows["source"] + "/" + rows["video_id"]
    rows = rows.sort_values(["labels", "start_s", "interval_id"], kind="stable", ignore_index=True)
    busy_until_s = rows.groupby("labels")["end_s"].cummax().groupby(rows["labels"]).shift()
    group = (~(rows["start_s"] < busy_until_s)).cumsum()
    bouts = rows.groupby(group).agg(labels=("labels", "first"), start_s=("start_s", "min"), end_s=("end_s", "max"))
    of_video = bouts.groupby("labels")
    before_s, after_s = of_video["end_s"].shift(), of_video["start_s"].shift(-1)
    duration_s = rows.groupby(group)["duration_s"].first()
    start_s = ((before_s + bouts["start_s"]) / 2).fillna(0.0).clip(lower=bouts["start_s"] - IDLE_S)
    end_s = ((bouts["end_s"] + after_s) / 2).fillna(duration_s).clip(upper=bouts["end_s"] + IDLE_S)
    number = _joined(start_s.to_numpy(), end_s.to_numpy(), before_s.isna().to_numpy(), max_s)
    bouts = bouts.assign(window=number, window_start_s=start_s, window_end_s=end_s)
    spans = bouts.groupby("window").agg(window_start_s=("window_start_s", "min"), window_end_s=("window_end_s", "max"))
    rows["window"] = group.map(bouts["window"])
    return rows.join(spans, on="window")


def _joined(starts_s: np.ndarray, ends_s: np.ndarray, first: np.ndarray, max_s: float) -> list[int]:
    """Number the windows: a bout joins the one before unless it is the first of its video or does not fit any more."""
    numbers, number, window_start_s = [], -1, 0.0
    for start_s, end_s, is_first in zip(starts_s.tolist(), ends_s.tolist(), first.tolist(), strict=True):
        if is_first or end_s - window_start_s > max_s:
            number, window_start_s = number + 1, start_s
        numbers.append(number)
    return numbers


def _reasons(events: pd.DataFrame, rejects: pd.DataFrame, *, min_s: float, max_s: float) -> np.ndarray:
    """Return for each event why nothing is asked of its window; empty where something is.

    What follows and how many there are cannot be told where an event is not known. A rejected annotation has the row id
    "take/annotation" and the step "annotations/source" (components/data/sources), and no time.
    """
    lost = rejects["step"].str.removeprefix("annotations/") + "/" + rejects["row_id"].str.split("/").str[0]
    unparsed = events["facts"].isna().groupby(events["window"]).transform("any")
    missing = (events["source"] + "/" + events["take_id"]).isin(lost)
    length_s = events["window_end_s"] - events["window_start_s"]
    return np.select(
        [unparsed, missing, length_s < min_s, length_s > max_s],
        ["window_has_unparsed_event", "take_has_rejected_event", "window_too_short", "window_too_long"],
        "",
    )


def draw_questions(asked: list[Asked], count: int, *key: object) -> list[Asked]:
    """Draw questions by content, one of each type in turn, so that no type crowds out the others.

    Within a type the answer is drawn first, so that the one most questions have is not the likeliest.

    Args:
        asked: the questions to draw from.
        count: questions wanted.
        *key: what the draw is for: the same key draws the same questions.
    """
    draws = {
        (qa, end_s): (content_id(*key, "answer", qa.answer), content_id(*key, qa.question, end_s))
        for qa, end_s in asked
    }
    turns: dict[str, list[Asked]] = {}
    for one in sorted(draws, key=lambda one: draws[one]):
        turns.setdefault(one[0].question_type, []).append(one)
    types = sorted(turns, key=lambda kind: content_id(*key, kind))
    return [one for turn in zip_longest(*(turns[kind] for kind in types)) for one in turn if one][:count]


def ask_kitchen(part: pd.DataFrame, min_s: float) -> list[Asked]:
    """Ask everything of one window, and of its beginnings that are long enough too.

    Args:
        part: the events of the window, as `windows` returns them, with their `facts`.
        min_s: shortest beginning, seconds.
    """
    window_start_s, window_end_s = part[["window_start_s", "window_end_s"]].iloc[0]
    events = list(zip(part["facts"], part["start_s"] - window_start_s, part["end_s"] - window_start_s, strict=True))
    begun = [(qa, end_s) for qa, end_s in long_questions.beginnings(events) if end_s >= min_s]
    return [*((qa, window_end_s - window_start_s) for qa in long_questions.questions(events)), *begun]


def long_term(
    intervals: pd.DataFrame,
    videos: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    min_s: float,
    max_s: float,
    per_window: int,
    choices: int,
    seed: int,
    read: Callable[[str], object | None] = parse_narration,
    ask: Callable[[pd.DataFrame, float], list[Asked]] = ask_kitchen,
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, int, int, int]]:
    """Ask `per_window` long-term questions of each window of an ego video.

    Args:
        intervals: table of the annotations.
        videos: table of the annotations.
        rejects: table of the annotations; a rejected annotation spoils the windows of its take.
        min_s: shorter windows are rejected; the beginning that a prediction is asked of is not shorter either.
        max_s: longer windows are rejected.
        per_window: questions wanted of each window.
        choices: options of a question.
        seed: of all random draws.
        read: returns the `facts` of a text, None where it cannot be read.
        ask: as `ask_kitchen`.

    Returns:
        Samples for `sample_table.table`, whose parent is the video; the windows that nothing is asked of; and
        ("windows", all, asked, rejected), its row counts.
    """
    rows = windows(intervals, videos, max_s=max_s)
    rows["facts"] = pd.Series([read(text) for text in rows["text"]], rows.index, dtype=object)
    rows["reason"] = _reasons(rows, rejects, min_s=min_s, max_s=max_s)
    first = rows.drop_duplicates("window").set_index("window", drop=False)
    spans = first[["source", "window_start_s", "window_end_s"]].itertuples(index=False, name=None)
    named = first.assign(span=[f"{source}, [{start_s:g}, {end_s:g})" for source, start_s, end_s in spans])
    rejected = sample_table.dropped(named, named["reason"], row_id="video_id", detail="span")
    made = {
        window: draw_questions(ask(part, min_s), per_window, seed, *part[["labels", "window_start_s"]].iloc[0])
        for window, part in rows[rows["reason"] == ""].groupby("window")
    }
    asked = [one for part in made.values() for one in part]
    frame = first.loc[[window for window, part in made.items() for _ in part]].reset_index(drop=True)
    ends_s = frame["window_start_s"] + np.array([end_s for _, end_s in asked], dtype=np.float64)
    frame = frame.assign(frame_kind="window", parent=frame["video_id"], start_s=frame["window_start_s"], end_s=ends_s)
    laid = choice(frame, [qa for qa, _ in asked], choices=choices, seed=seed)
    return laid, rejected, ("windows", len(first), len(made), len(rejected))
