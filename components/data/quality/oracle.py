"""What the world says of answers: whether they are true, where it wrote the sources itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from components import records
from components.world.script import Take

MOST_JUDGED = 2000  # rows of a type that the world is asked about, of takes drawn by content: a share to 0.2 %
_SEEN = ["take_id", "question_type", "question", "said", "start_s", "end_s"]


def scripted(source: Path, *, seed: int, takes: int, **plan_of: float) -> dict[str, Take]:
    """Return the takes that the world scripted, by id; none where `source` has no mark of the world.

    Args:
        plan_of: as `world.plan.plan_takes` takes it.
    """
    from components.world.__main__ import MARK

    if not (source / MARK).is_file():
        return {}
    from components.world.plan import plan_takes

    return {one.uid: one.take for one in plan_takes(seed, takes=takes, **plan_of)}


def by_type(parts: Iterable[pd.DataFrame], takes: dict[str, Take]) -> pd.DataFrame:
    """Ask the world whether answers are true.

    Args:
        parts: the samples some at a time, as `parts.answers` gives them. At least one part.
        takes: as `scripted` gives them; without any, nothing is read.

    Returns:
        By `type`: `checked`, the samples that it gives a verdict on, and those that are `right`.
    """
    if not takes:
        return pd.DataFrame({"checked": [], "right": []}, index=pd.Index([], name="type"), dtype="int64")
    from components.world import truth

    asked = chosen(parts, sorted(takes, key=records.content_id))
    # what is asked of a narration is always the same, in many words
    asked = asked.assign(question=asked["question"].mask(asked["question_type"] == "narration", ""))
    number = asked.groupby(_SEEN, sort=False).ngroup()
    # by take and time: the oracle keeps what it last looked at
    distinct = asked[~number.duplicated()].sort_values(["take_id", "start_s"])
    verdicts = [
        truth.judge(takes[row.take_id], row.question_type, row.question, row.said, row.start_s, row.end_s)
        for row in distinct[_SEEN].itertuples(index=False)
    ]
    verdict = number.map(pd.Series(verdicts, index=number[distinct.index], dtype=object))
    marks = pd.DataFrame({"type": asked["type"], "checked": verdict.notna(), "right": verdict == True})  # noqa: E712
    return marks.groupby("type").sum()


def chosen(parts: Iterable[pd.DataFrame], take_ids: list[str]) -> pd.DataFrame:
    """Choose MOST_JUDGED rows of each type: those of the first takes, and of a take those that come first.

    They are of the same takes for every type: a frame is looked at once.
    """
    place = {uid: number for number, uid in enumerate(take_ids)}
    held: list[pd.DataFrame] = []
    for part in parts:
        rows = pd.concat([*held, part[part["take_id"].isin(place)]], ignore_index=True)
        rows = rows.sort_values("take_id", key=lambda ids: ids.map(place), kind="stable", ignore_index=True)
        held = [rows[rows.groupby("type").cumcount() < MOST_JUDGED]]
    return held[0]
