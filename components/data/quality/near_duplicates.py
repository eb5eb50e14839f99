"""Samples that stand twice, counted without holding all samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from components.data.quality.contamination import SAME, nearly_repeated
from components.data.seen_ids import seen_before


def by_type(parts: Callable[[], Iterable[pd.DataFrame]]) -> pd.Series:
    """Count what `leaks.near_duplicates` marks, by `type`, without holding all samples.

    What is held is 8 bytes for each video, question and answer, and 25 for each sample that shares these with another.

    Args:
        parts: gives, each time, the samples some at a time, with their `type`. At least one part.
    """
    seen, twice = [], []
    for part in parts():
        keys, counts = np.unique(_hashed(part), return_counts=True)
        again = seen_before(keys, seen) | (counts > 1)
        seen_before(keys[again], twice)
    shared = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *twice]))
    rows, types = [], []
    for part in parts():
        keys = _hashed(part)
        ends = np.searchsorted(shared, keys, side="right")
        here = ends > np.searchsorted(shared, keys)
        rows.append(part.loc[here, ["start_s", "end_s"]].assign(same=keys[here]))
        types.append(part.loc[here, "type"].astype("category"))
    marked = nearly_repeated(pd.concat(rows, ignore_index=True))
    of_type = pd.Series(union_categoricals(types)[marked.to_numpy()], dtype="category")
    return of_type.value_counts(sort=False)


def _hashed(samples: pd.DataFrame) -> np.ndarray:
    return pd.util.hash_pandas_object(samples[SAME], index=False).to_numpy()
