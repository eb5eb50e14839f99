"""Ids that an earlier row had already, at eight bytes each."""

from __future__ import annotations

import numpy as np


def seen_before(keys: np.ndarray, seen: list[np.ndarray]) -> np.ndarray:
    """Tell which keys are in `seen`, and add the others to it.

    A hundred million keys are 0.8 GB. `seen` holds few sorted arrays: those that are not longer than a new one are
    merged with it, as a binary counter carries.

    Args:
        keys: uint64 array, one for each id.
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
