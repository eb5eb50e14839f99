"""Write the intervals of all events in EgoExoLearn's fine annotation format.

Columns: OpenGVLab/EgoExoLearn annotations/README.md (fine_annotation_trainval_en.csv). Here `video_uid` is the uid of
an Ego-Exo4D take, whose ego video the interval is on.
"""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path

from components.prompts.kitchen_grammar import narrate
from components.world.films import Film
from components.world.plan import PlannedTake, WorldPlan, seeded_uid

FILE = "annotations/fine_annotation_trainval_en.csv"
COLUMNS = (
    "video_uid",
    "annotation_uid",
    "subset",
    "view",
    "scene",
    "start_sec",
    "end_sec",
    "narration_en",
    "narration_en_hand_prompt",
    "narration_en_no_hand_prompt",
)
JITTER_S = 0.15
MALFORMED_SHARE = 0.01


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write the CSV, with a few rows that end before they start or lie beyond the video; it has no films of its own."""
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for take in plan.takes:
            if not take.is_dropped and take.split != "test":
                writer.writerows(_rows(take, seed=plan.seed))
    return []


def _rows(planned: PlannedTake, *, seed: int) -> list[list[object]]:
    rng = random.Random(f"{seed}/{planned.number}/intervals")
    take_s = planned.take.take_s
    rows: list[list[object]] = []
    for number, event in enumerate(planned.take.events):
        start_s = max(0.0, event.start_s + rng.uniform(-JITTER_S, JITTER_S))
        end_s = min(take_s, event.end_s + rng.uniform(-JITTER_S, JITTER_S))
        if rng.random() < MALFORMED_SHARE:
            start_s, end_s = (end_s, start_s) if rng.random() < 0.5 else (start_s + take_s, end_s + take_s)
        facts = planned.take.facts(event)
        rows.append(
            [
                planned.uid,
                seeded_uid(seed, "interval", planned.number, number)[:8],
                planned.split,
                "ego",
                "kitchen",
                f"{start_s:.3f}",
                f"{end_s:.3f}",
                narrate(facts),
                f"{facts.verb}, {facts.hand} hand, {facts.object}",
                narrate(replace(facts, hand=None)),
            ]
        )
    return rows
