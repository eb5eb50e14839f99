"""Ids that an earlier row had already, at eight bytes each."""

from __future__ import annotations

import numpy as np


def seen_before(keys: np.ndarray, seen: list[np.ndarray]) -> np.ndarray:
    """Find which keys were seen before, and remember the others.

    A hundred million keys take 0.8 GB.

    Args:
        keys: uint64 array [N], one for each id.
        seen: sorted uint64 arrays of the keys so far, which is changed. Arrays that are not longer than a new one are
            merged with it, as a binary counter carries, so that there are few.

    Returns:
        bool array [N], True where the key was in `seen`.
    """
    known = np.zeros(len(keys), dtype=bool)
    for part in seen:
        known |= part[np.minimum(np.searchsorted(part, keys), len(part) - 1)] == keys
    new = np.sort(keys[~known])
    while len(new) and seen and len(seen[-1]) <= len(new):
        new = np.sort(np.concatenate([seen.pop(), new]))
    if len(new):
        seen.append(new)
    return known
