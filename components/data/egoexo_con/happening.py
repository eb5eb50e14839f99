"""Whether what should be false in a whole window happens in it, whoever tells of it and whichever view shows it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.egore import by_rule
from components.data.egore.free_text.same_event import may_be_same
from components.data.egore.rationales.visible_facts import NEAR_S
from components.prompts.narration_text import read_narration


def told(takes: by_rule.Takes, windows: pd.DataFrame) -> pd.Series:
    """Return the events that an interval or a narration tells of in each window.

    The facts of the views leave out events that are doubted, hidden or of an estimated span: those happen all the same.

    Args:
        takes: of the windows.
        windows: `take`, `start_s` and `end_s`, seconds of the take.

    Returns:
        A list of events for each row of `windows`.
    """
    estimated = pd.Series(dtype=object)  # which spans are estimated does not matter here
    intervals, narrations = by_rule.told_events(takes, estimated)
    narrations = narrations.assign(
        start_s=narrations["start_s"].fillna(narrations["time_s"] - NEAR_S),
        end_s=narrations["end_s"].fillna(narrations["time_s"] + NEAR_S),
    )
    columns = ["take_id", "event", "start_s", "end_s"]
    both = pd.concat([intervals[columns], narrations[columns]], ignore_index=True)
    of_take = {
        take: (of["event"].to_numpy(), *of[columns[2:]].to_numpy(float).T) for take, of in both.groupby("take_id")
    }
    found = []
    for take, from_s, to_s in windows[["take", "start_s", "end_s"]].itertuples(index=False, name=None):
        event, start_s, end_s = of_take[take]
        found.append(np.unique(event[(start_s < to_s) & (end_s > from_s)].astype(str)).tolist())
    return pd.Series(found, windows.index, dtype=object)


def happens(row: dict, misaligned: str) -> bool:
    """Return whether what should be false everywhere in the window may be told of there.

    Args:
        row: `told`, as that returns it, and `in_kitchen`.
        misaligned: the false event; in the kitchen another word is another event, people have many words for one.
    """
    if row["in_kitchen"]:
        return misaligned in row["told"]
    return any(may_be_same(read_narration(misaligned), read_narration(event)) for event in row["told"])
