"""Windows around events: what is shown when it is asked when something happens (systems §4.1).

A video that is not longer than the longest window is shown whole where its frames can tell when the event happens. From
any other one windows are cut, at a random place around the event, and shorter ones until their frames can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.data.egore.multiple_choice import DRAWS, random_draws
from components.data.egore.perfect_seer import LEAST_IOU, perfect_iou
from components.video.frame_sampling import frames_of_spans, middles

_TRIALS = DRAWS // 2  # of a window; each has two random numbers, for its length and for its place
_NEAR_IOU = 0.8  # of two windows of an event; the step `quality` counts them as near-duplicates from there on
_SPACINGS_PER_S = 100  # frames of a cut window are whole hundredths of a second apart, which a prompt can say exactly


@dataclass(frozen=True)
class WindowRules:
    """How windows are cut.

    Attributes:
        max_s: longest window, seconds.
        per_event: windows that are cut for each event of a video that is not shown whole.
        n_frames: frames of a window.
        time_step_s: answers are multiples of this, seconds.
        seed: of the lengths and the places.
    """

    max_s: float
    per_event: int
    n_frames: int
    time_step_s: float
    seed: int


def times_of_equal_texts(events: pd.DataFrame) -> np.ndarray:
    """Return when the same event ended last before each one and when it starts next, infinities where never; [N, 2]."""
    order = events.reset_index(drop=True).sort_values(["start_s", "end_s"], kind="stable")
    same = order.groupby(["source", "video_id", "event"], sort=False)
    ended_s = same["end_s"].cummax()
    keys = [order[name] for name in ("source", "video_id", "event")]
    found = pd.DataFrame({"before_s": ended_s.groupby(keys, sort=False).shift(), "after_s": same["start_s"].shift(-1)})
    return found.fillna({"before_s": -np.inf, "after_s": np.inf}).sort_index().to_numpy()


def cut(
    events: pd.DataFrame,
    rules: WindowRules,
    *,
    other_times: Callable[[pd.DataFrame], np.ndarray] = times_of_equal_texts,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Cut windows in which it can be seen when each event happens.

    Args:
        events: all events of some videos: `interval_id`, `source`, `video_id`, `event` (what happens), `start_s` and
            `end_s` in seconds of the video, and `duration_s` and `fps` of the video.
        rules: how windows are cut.
        other_times: given the events, returns when the same event happens else, as `times_of_equal_texts` does.

    Returns:
        The rows of the events, one for each window, with `start_s` and `end_s` of the window in seconds of the video
        and `from_s` and `to_s` of the event in seconds from the start of the window; and why an event has no window,
        shape [events], text, "" where it has one: `outside_video`, `longer_than_window`, `unresolvable` (its frames
        cannot tell when) or `event_repeats` (the event comes twice, so that the question has two answers).
    """
    number = np.tile(np.arange(rules.per_event), len(events))
    row = np.repeat(np.arange(len(events)), rules.per_event)
    tries = events.iloc[row].reset_index(drop=True)
    tries[["before_s", "after_s"]] = other_times(events)[row]
    keys = [f"{interval_id} {each}" for interval_id, each in zip(tries["interval_id"], number, strict=True)]
    draws = random_draws(rules.seed, "temporal window", of=keys)
    is_inside = (tries["start_s"] >= 0) & (tries["start_s"] < tries["end_s"]) & (tries["end_s"] <= tries["duration_s"])
    reason = np.where(is_inside, "longer_than_window", "outside_video").astype(object)
    made = []
    waiting = np.flatnonzero(is_inside)
    for trial in range(_TRIALS):
        placed, is_long_enough = _place(tries.iloc[waiting], trial, draws[waiting, 2 * trial : 2 * trial + 2], rules)
        placed, waiting = placed[is_long_enough], waiting[is_long_enough]
        repeats = (placed["before_s"] > placed["start_s"]) | (placed["after_s"] < placed["end_s"])
        reason[waiting] = np.select([~is_resolved(placed, rules), repeats], ["unresolvable", "event_repeats"], "")
        made.append(placed[reason[waiting] == ""])
        waiting = waiting[reason[waiting] != ""]
    windows = _apart(pd.concat(made).sort_index())
    reasons = reason[:: rules.per_event].copy()
    reasons[row[windows.index]] = ""
    return windows.drop(columns=["before_s", "after_s"]), reasons


def _apart(windows: pd.DataFrame) -> pd.DataFrame:
    """Keep one of the windows of an event that show nearly the same; a video shown whole gives the same each time."""
    order = windows.sort_values(["interval_id", "start_s", "end_s"], kind="stable")
    while True:
        before = order.groupby("interval_id", sort=False)[["start_s", "end_s"]].shift()
        both_s = order["end_s"].clip(upper=before["end_s"]) - order["start_s"]
        either_s = order["end_s"].clip(lower=before["end_s"]) - before["start_s"]
        is_near = both_s >= _NEAR_IOU * either_s
        if not is_near.any():
            return order.sort_index()
        order = order[~is_near]


def _place(events: pd.DataFrame, trial: int, draws: np.ndarray, rules: WindowRules) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a window around each event: the longest that is allowed first, then with every trial about half as long.

    Args:
        events: inside their videos.
        trial: number of the trial, from 0.
        draws: two random numbers above 0 and at most 1 for each event, shape [N, 2].
        rules: how windows are cut.

    Returns:
        The windows as `cut` returns them, and whether each is long enough for its event: bool [N].
    """
    from_s, to_s, duration_s = (events[name].to_numpy() for name in ("start_s", "end_s", "duration_s"))
    longest_s = np.minimum(duration_s, rules.max_s)
    length_s = longest_s * 2.0 ** (draws[:, 0] - trial) if trial else longest_s
    spacings = np.floor(length_s / rules.n_frames * _SPACINGS_PER_S + 1e-9)
    length_s = np.where(length_s == duration_s, duration_s, spacings * rules.n_frames / _SPACINGS_PER_S)
    # a cut window is at least twice as long as the event, or its length alone would be a good answer
    is_long_enough = (to_s - from_s) * (2 if trial else 1) <= length_s
    first_s, last_s = np.maximum(to_s - length_s, 0.0), np.minimum(from_s, duration_s - length_s)
    start_s = np.clip(np.round(first_s + (last_s - first_s) * draws[:, 1], 2), first_s, last_s)
    times = {"start_s": start_s, "end_s": start_s + length_s, "from_s": from_s - start_s, "to_s": to_s - start_s}
    return events.assign(**times), is_long_enough


def is_resolved(windows: pd.DataFrame, rules: WindowRules) -> np.ndarray:
    """Return whether the frames of each window can tell when its event happens, bool [windows].

    Args:
        windows: as `cut` returns them.
        rules: how they are cut.
    """
    start_s, end_s, fps, duration_s = (windows[name].to_numpy() for name in ("start_s", "end_s", "fps", "duration_s"))
    total_frames = np.rint(duration_s * fps).astype(np.int64)
    indices = frames_of_spans(start_s, end_s, fps, np.full(len(windows), rules.n_frames), total_frames)
    iou = perfect_iou(
        windows["from_s"].to_numpy(),
        windows["to_s"].to_numpy(),
        time_step_s=rules.time_step_s,
        shown_s=indices.reshape(-1, rules.n_frames) / fps[:, None] - start_s[:, None],
        told_s=middles(end_s - start_s, rules.n_frames),
        window_s=end_s - start_s,
    )
    return iou >= LEAST_IOU
