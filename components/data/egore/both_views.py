"""Everything that is asked of the events of a partition in both views: when, whether, and why (systems §5)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from components.data.egore import by_rule, ego_exo_questions, events, grounding
from components.data.egore.by_rule import Made, Takes
from components.data.egore.rationales import pairs
from components.data.egore.rationales.visible_facts import visible_facts
from components.data.egore.temporal_windows import WindowRules
from components.params import EgoRe


@dataclass(frozen=True)
class Asked:
    """The questions about the events of a partition.

    Attributes:
        made: their samples, rejects and row counts.
        reasoned: the questions that rationales are wanted for, as `pairs.questions` returns them.
    """

    made: Made
    reasoned: pd.DataFrame


def ask(takes: Takes, rules: WindowRules, egore: EgoRe) -> Asked:
    """Ask when each event happens and whether it does, in ego and from outside.

    Args:
        takes: of the partition.
        rules: how windows are cut; its seed is of all draws.
        egore: the block of params/data.yaml.
    """
    videos, intervals, narrations = (takes.annotations[name] for name in ("videos", "intervals", "narrations"))
    of_kinds, timed_out = by_rule.temporal(takes, rules, seed=rules.seed)
    timed = pd.concat(of_kinds, ignore_index=True)
    cameras = ego_exo_questions.cameras_outside(videos, narrations)
    outside, outside_out = ego_exo_questions.seen_from_outside(timed, cameras, rules)
    views = (timed, outside)
    verified = [ego_exo_questions.verification(seen) for seen in views]
    estimated = events.without_given_span(takes.clips, narrations)
    in_time, estimated_out = zip(*(grounding.of_given_spans(seen, estimated) for seen in views), strict=True)
    facts = visible_facts(*by_rule.told_events(takes, estimated), videos)
    reasoned = pairs.questions(
        pd.concat([*in_time, *verified], ignore_index=True), facts, share=egore.rationale_share, seed=rules.seed
    )
    row_counts = [
        ("intervals", len(intervals), timed["interval_id"].nunique(), sum(map(len, timed_out))),
        ("windows from outside", len(timed), len(outside), len(outside_out)),
        *(
            ("questions about time", len(seen), len(kept), len(out))
            for seen, kept, out in zip(views, in_time, estimated_out, strict=True)
        ),
    ]
    return Asked(([*in_time, *verified], [*timed_out, outside_out, *estimated_out], row_counts), reasoned)
