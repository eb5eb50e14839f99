"""Near-duplicates: samples that say the same of nearly the same span of a video."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from pandas.util import hash_pandas_object

from components.data.seen_ids import seen_before

NEAR_IOU = 0.8  # of the spans of two samples that say the same of one video
_SAME = ["corpus", "task", "question_type", "video_id", "question", "answer"]


def near_duplicates(samples: pd.DataFrame) -> pd.Series:
    """Mark each sample that nearly repeats the one before of the same video, question and answer.

    Args:
        samples: `corpus, task, question_type, video_id, question, answer, start_s, end_s`.

    Returns:
        bool, with the index of `samples`.
    """
    same = samples.groupby(_SAME, sort=False).ngroup()
    return _nearly_repeated(samples[["start_s", "end_s"]].assign(same=same))


def count_by_type(parts: Callable[[], Iterable[pd.DataFrame]]) -> pd.Series:
    """Count what `near_duplicates` marks in a table that is too large for memory.

    In memory are 8 bytes for each distinct video, question and answer, and 25 for each sample that shares these with
    another.

    Args:
        parts: returns, each time that it is called, the samples some at a time: the columns of `near_duplicates` and
            `type`. At least one part.

    Returns:
        Near-duplicates by `type`.
    """
    seen, shared_keys = [], []
    for part in parts():
        keys, counts = np.unique(_hashed(part), return_counts=True)
        again = seen_before(keys, seen) | (counts > 1)
        seen_before(keys[again], shared_keys)
    shared = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *shared_keys]))
    rows, types = [], []
    for part in parts():
        keys = _hashed(part)
        ends = np.searchsorted(shared, keys, side="right")
        here = ends > np.searchsorted(shared, keys)
        rows.append(part.loc[here, ["start_s", "end_s"]].assign(same=keys[here]))
        types.append(part.loc[here, "type"].astype("category"))
    marked = _nearly_repeated(pd.concat(rows, ignore_index=True))
    of_type = pd.Series(union_categoricals(types)[marked.to_numpy()], dtype="category")
    return of_type.value_counts(sort=False)


def _nearly_repeated(rows: pd.DataFrame) -> pd.Series:
    """Mark spans that nearly repeat the one before.

    Args:
        rows: `start_s`, `end_s` and `same`: spans are compared where this whole number is equal.
    """
    index = rows.index
    rows = rows.sort_values(["same", "start_s", "end_s"], kind="stable")
    before = rows[["start_s", "end_s"]].shift()
    overlap_s = rows["end_s"].clip(upper=before["end_s"]) - rows["start_s"]
    union_s = rows["end_s"].clip(lower=before["end_s"]) - before["start_s"]
    is_same = rows["same"] == rows["same"].shift(fill_value=0)  # without NaN, for which a hash would become a float
    return (is_same & (overlap_s >= NEAR_IOU * union_s)).reindex(index)


def _hashed(samples: pd.DataFrame) -> np.ndarray:
    return hash_pandas_object(samples[_SAME], index=False).to_numpy()
