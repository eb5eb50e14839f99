"""The figures that Exo2Ego prints of its data (arXiv 2503.09143, collected in systems §1.1-1.2), in one place.

Those of Ego-ExoClip are of the corpus on the training takes of Ego-Exo4D: validation and test videos are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Exo2Ego, arXiv 2503.09143"
QA_RIGHT_PERCENT = 95.0  # of a sample of EgoRe-5M's questions, by EgoThinker (arXiv 2510.23569, systems §4.1)


@dataclass(frozen=True)
class Figure:
    """A published number; `spread` is the standard deviation printed beside a mean."""

    name: str  # as in the numbers of components/data/statistics/corpus.py
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
EGOIT = (  # records of each source, thousands rounded
    Figure("egotimeqa", "EgoTimeQA: questions", 303_000),
    Figure("openeqa", "OpenEQA: questions", 1_600),
    Figure("ssv2", "SSv2: actions", 221_000),
    Figure("egtea", "EGTEA: actions", 15_000),
    Figure("egoexolearn", "EgoExoLearn: captions", 45_000),
    Figure("total", "together", 586_000),
)

FUNNEL_SOURCE = "EgoThinker, arXiv 2510.23569"
# clips after a stage of EgoRe's funnel (systems §4.1), and with those of the ego datasets; "read" is ours alone
FUNNEL = {"candidates": 30_000_000, "ego": 12_000_000, "hands": 8_700_000, "all": 13_000_000}
CLASSIFIER = {"accuracy": 0.92, "auc": 0.89}
