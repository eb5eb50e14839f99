"""What two annotators say of a take, at single timestamps, with the defects of the real annotations."""

from __future__ import annotations

import random
from dataclasses import replace

from components.prompts.kitchen_grammar import Facts, narrate
from components.world.occlusion import LEAST_SHOWN, share_shown
from components.world.plan import PlannedTake, seeded_uid
from components.world.script import Event

ANNOTATORS = ("5284063695022975", "7710422965712308")
JITTER_S = (0.2, 0.4)
NARRATED_SHARE = (1.0, 0.6)
HANDLESS_SHARE = (0.0, 0.3)
UNSURE_SHARE = 0.04
UNSEEN_SHARE = 0.02  # narrated from an exo view: ego_visible is false
OTHER_PERSON_SHARE = 0.1  # of the annotations, one sentence about somebody else
OTHER_PERSON = ("O looks at C.", "The Man X walks towards C.", "The Woman Y opens the drawer.")
REJECTED_SHARE = 0.05  # of the takes, a third annotation that the reviewers refused
LATE_SHARE = 0.01  # of the annotations, a sentence past the end of the take
OLD_FLAGS_SHARE = 0.15  # of the annotations, flags as "0"/"1"
NO_BEST_EXO_SHARE = 0.05  # where a camera shows it, and the annotator names none
EXO_CAMERAS = ("1", "2")  # "cam01" and "cam02"


def annotate(planned: PlannedTake, *, seed: int) -> list[dict]:
    """Return the atomic descriptions of a take, one annotation for each annotator, in Ego-Exo4D's form."""
    annotations = [_annotation(planned, who, seed=seed) for who in range(len(ANNOTATORS))]
    rng = random.Random(f"{seed}/{planned.number}/rejected")
    if rng.random() < REJECTED_SHARE:
        refused = _annotation(planned, 0, seed=seed, attempt=1)
        reason = rng.choice(["wrong language", "timestamps drift"])
        annotations.insert(0, refused | {"rejected": True, "reject_reason": reason})
    return annotations


def _annotation(planned: PlannedTake, who: int, *, seed: int, attempt: int = 0) -> dict:
    rng = random.Random(f"{seed}/{planned.number}/annotator/{who}/{attempt}")
    take = planned.take
    said: list[tuple[float, str, str, str | None]] = []  # time, text, subject, exo camera
    for event in take.events:
        if rng.random() >= NARRATED_SHARE[who]:
            continue
        facts: Facts = take.facts(event)
        if rng.random() < HANDLESS_SHARE[who]:
            facts = replace(facts, hand=None)
        time_s = (event.start_s + event.end_s) / 2 + rng.uniform(-JITTER_S[who], JITTER_S[who])
        said.append((time_s, narrate(facts), "C", _best_exo(planned, event)))
    if rng.random() < OTHER_PERSON_SHARE:
        # a generator of its own: the words change no later draw
        words = random.Random(f"{seed}/{planned.number}/other/{who}/{attempt}").choice(OTHER_PERSON)
        said.append((rng.uniform(1, take.take_s - 1), words, "O", None))
    if rng.random() < LATE_SHARE:
        said.append((take.take_s + rng.uniform(0.2, 2), "C opens the drawer.", "C", None))
    old_flags, subject_key = rng.random() < OLD_FLAGS_SHARE, rng.choice(["subject", "narration_subject"])

    def flag(value: bool) -> bool | str:
        return str(int(value)) if old_flags else value

    def named(camera: str | None) -> dict | None:
        is_left_out = rng.random() < NO_BEST_EXO_SHARE
        return None if camera is None or is_left_out else {"raw_cam_id": camera, "cam_id": f"cam0{camera}"}

    return {
        "annotation_uid": seeded_uid(seed, "annotation", planned.number, who, attempt),
        "annotator_id": ANNOTATORS[who],
        "rejected": False,
        "reject_reason": None,
        "descriptions": [
            {
                "text": text,
                "timestamp": round(time_s, 5),
                subject_key: subject,
                "ego_visible": flag(subject == "C" and rng.random() >= UNSEEN_SHARE),
                "best_exo": named(camera),
                "unsure": flag(rng.random() < UNSURE_SHARE),
            }
            for time_s, text, subject, camera in sorted(said, key=lambda each: each[:3])
        ],
    }


def _best_exo(planned: PlannedTake, event: Event) -> str | None:
    """Return the number of the exo camera that shows the most of what an event is done to; None where none does."""
    shown = {camera: share_shown(planned.take, event, f"cam0{camera}") for camera in EXO_CAMERAS}
    best = max(shown, key=shown.__getitem__)
    return best if shown[best] >= LEAST_SHOWN else None
