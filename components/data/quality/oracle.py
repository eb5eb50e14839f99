"""The oracle: whether answers are true, which the miniature world knows where it wrote the sources itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from components import records
from components.world.script import Take

MAX_ROWS = 2000  # of a type that are judged, of takes in the order of their content ids: a share to 0.2 %
_JUDGED_BY = ["take_id", "question_type", "question", "said", "start_s", "end_s"]


def scripted_takes(source: Path, *, seed: int, takes: int, **plan: float) -> dict[str, Take]:
    """Return the takes that the world scripted, by id; none where `source` has no mark of the world.

    Args:
        source: folder of Ego-Exo4D.
        seed: of the world.
        takes: how many there are.
        plan: the other arguments of `world.plan.plan_takes`.
    """
    from components.world.__main__ import MARK

    if not (source / MARK).is_file():
        return {}
    from components.world.plan import plan_takes

    return {one.uid: one.take for one in plan_takes(seed, takes=takes, **plan)}


def count_by_type(parts: Iterable[pd.DataFrame], takes: dict[str, Take]) -> pd.DataFrame:
    """Count the answers that are true.

    Args:
        parts: the samples some at a time, as `batches.answers` returns them. At least one part.
        takes: as `scripted_takes` returns them; without any, nothing is read.

    Returns:
        By `type`: `checked`, the samples that the oracle can judge, and those that are `right`.
    """
    if not takes:
        return pd.DataFrame({"checked": [], "right": []}, index=pd.Index([], name="type"), dtype="int64")
    from components.world import truth

    asked = first_rows(parts, sorted(takes, key=records.content_id))
    # what is asked of a narration is always the same, in many words
    asked = asked.assign(question=asked["question"].mask(asked["question_type"] == "narration", ""))
    number = asked.groupby(_JUDGED_BY, sort=False).ngroup()
    # by take and time: the oracle keeps what it last looked at in memory
    distinct = asked[~number.duplicated()].sort_values(["take_id", "start_s"])
    verdicts = [
        truth.judge(takes[row.take_id], row.question_type, row.question, row.said, row.start_s, row.end_s)
        for row in distinct[_JUDGED_BY].itertuples(index=False)
    ]
    verdict = number.map(pd.Series(verdicts, index=number[distinct.index], dtype=object))
    marks = pd.DataFrame({"type": asked["type"], "checked": verdict.notna(), "right": verdict == True})  # noqa: E712
    return marks.groupby("type").sum()


def first_rows(parts: Iterable[pd.DataFrame], take_ids: list[str]) -> pd.DataFrame:
    """Return the first MAX_ROWS rows of each type, by the order of their takes in `take_ids` and then of the rows.

    All types are judged on the same takes, so that the oracle looks at a frame once.
    """
    place = {uid: number for number, uid in enumerate(take_ids)}
    held: list[pd.DataFrame] = []
    for part in parts:
        rows = pd.concat([*held, part[part["take_id"].isin(place)]], ignore_index=True)
        rows = rows.sort_values("take_id", key=lambda ids: ids.map(place), kind="stable", ignore_index=True)
        held = [rows[rows.groupby("type").cumcount() < MAX_ROWS]]
    return held[0]
