"""The same query about the same seconds of a take, asked of its ego and of its exo view (systems §5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Key = tuple[object, ...]
COLUMNS = ("sample_id", "take_id", "task", "question_type", "view", "question", "parents", "media")  # that are read


def pair_key(sample: Mapping[str, Any]) -> Key:
    """Return what both samples of a pair have in common, and no other sample of either view.

    Only the start of what is shown counts: cameras of one take stop at slightly different times.

    Args:
        sample: of `records.SAMPLE` the columns `COLUMNS` without `sample_id` and `view`.
    """
    asked = (sample[name] for name in ("take_id", "task", "question_type", "question"))
    return *asked, *sample["parents"], sample["media"][0]["start_s"]


def view_pairs(samples: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the places (ego, exo) of each pair, and those of samples that have no partner in the other view.

    Args:
        samples: `COLUMNS` of `records.SAMPLE`. Of several exo views the first by its id is the partner.
    """
    found: dict[Key, dict[str, list[int]]] = {}
    for place in sorted(range(len(samples)), key=lambda place: samples[place]["sample_id"]):
        of_key = found.setdefault(pair_key(samples[place]), {"ego": [], "exo": []})
        of_key[samples[place]["view"]].append(place)
    pairs = [(ego, exo) for views in found.values() for ego, exo in zip(views["ego"], views["exo"], strict=False)]
    paired = {place for pair in pairs for place in pair}
    return pairs, [place for place in range(len(samples)) if place not in paired]
