"""Write intervals of actions in EgoExoLearn's fine annotation format.

Columns: OpenGVLab/EgoExoLearn annotations/README.md (fine_annotation_trainval_en.csv). Where the world has Ego-Exo4D,
`video_uid` is the uid of one of its takes, whose ego video all events are on. Else there are films of its own,
videos/<video_uid>.mp4: one half is worn and one half shows other scripts from outside, as ego and exo of the dataset
are not synchronized; one film is missing, and fine_annotation_test.csv has intervals without narration.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from components.prompts.kitchen_grammar import narrate
from components.world.films import Film
from components.world.plan import PlannedTake, WorldPlan, seeded_uid
from components.world.script import script_take

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
TEST_FILE = "annotations/fine_annotation_test.csv"
TEST_COLUMNS = ("video_uid", "annotation_id", "subset", "view", "scene", "start_sec", "end_sec")
FIRST_TAKE = 640_000  # scripts of the films of its own
MOST_FILMS, OWN_TAKE_S = 12, 16.0
VIEWS = (("ego", "ego"), ("exo", "cam01"))  # as the dataset and as the renderer name them, by turns
MISSING = 3  # the film that is not there
TEST_ROWS = 3
JITTER_S = 0.15
MALFORMED_SHARE = 0.01


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write the CSVs, with a few rows that end before they start or lie beyond the video.

    Returns:
        The films that are still to be made; none where the takes of Ego-Exo4D are annotated.
    """
    if plan.is_egoexo4d_written:
        annotated = [(take, "ego") for take in plan.takes if not take.is_dropped and take.split != "test"]
        _write(root / FILE, COLUMNS, (row for take, view in annotated for row in _rows(take, view, seed=plan.seed)))
        return []
    own = [_own(plan, number) for number in range(min(MOST_FILMS, len(plan.takes)))]
    views = [VIEWS[number % 2] for number in range(len(own))]
    rows = [row for take, view in zip(own, views, strict=True) for row in _rows(take, view[0], seed=plan.seed)]
    _write(root / FILE, COLUMNS, rows)
    unlabelled = COLUMNS.index("narration_en")
    _write(root / TEST_FILE, TEST_COLUMNS, ([*row[:2], "test", *row[3:unlabelled]] for row in rows[-TEST_ROWS:]))
    films = [
        Film(root / f"videos/{take.uid}.mp4", take.take, 0.0, take.take.take_s, plan.fps, camera)
        for take, (_, camera) in zip(own, views, strict=True)
    ]
    return [film for number, film in enumerate(films) if number != MISSING]


def _own(plan: WorldPlan, number: int) -> PlannedTake:
    uid = seeded_uid(plan.seed, "egoexolearn", number)
    return PlannedTake(
        take=script_take(plan.seed, FIRST_TAKE + number, take_s=OWN_TAKE_S),
        name=uid,
        uid=uid,
        split="val" if number % 6 >= 4 else "train",
        is_dropped=False,
        is_narrated=True,
    )


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _rows(planned: PlannedTake, view: str, *, seed: int) -> list[list[object]]:
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
                view,
                "kitchen",
                f"{start_s:.3f}",
                f"{end_s:.3f}",
                narrate(facts),
                f"{facts.verb}, {facts.hand} hand, {facts.object}",
                narrate(replace(facts, hand=None)),
            ]
        )
    return rows
