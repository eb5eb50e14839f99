"""The figures that Exo2Ego prints of Ego-ExoClip (arXiv 2503.09143, collected in systems §1.1-1.2), in one place.

They are of the corpus on the training takes of Ego-Exo4D: validation and test videos are left out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Exo2Ego, arXiv 2503.09143"


@dataclass(frozen=True)
class Figure:
    """A published number; `spread` is the standard deviation printed beside a mean."""

    name: str  # as in the numbers of components/data/statistics.py
    label: str
    value: float
    unit: str = ""
    spread: float | None = None
    digits: int = 0  # decimals to print


FIGURES = (
    Figure("groups_before", "video groups before the filters", 5035),
    Figure("groups", "video groups", 2925),
    Figure("videos", "videos, all views", 15478),
    Figure("hours", "hours, all views", 623.6, "h", digits=1),
    # the paper does not say whether narrations that give no clip are counted
    Figure("narrations_read", "narrations, as read", 261_300),
    Figure("narrations", "narrations with a clip", 261_300),
    Figure("ego_clips", "ego clips", 261_000),
    Figure("exo_clips", "ego-exo pairs: exo clips", 1_100_000),
    Figure("alpha_s", "alpha, the mean narration distance", 1.92, "s", digits=2),
    Figure("duration_s", "clip duration", 0.68, "s", spread=0.57, digits=2),
    Figure("under_1s_percent", "clips under 1 s", 82.0, "%", digits=1),
    Figure("longest_s", "longest clip", 70.43, "s", digits=2),
    Figure("words", "words of a narration", 10.98, "words", spread=3.16, digits=2),
)
