"""Write films and narrations in the layout of Ego4D.

Files: ego4d.json, v2/annotations/narration.json and v2/full_scale/<video_uid>.mp4, as the official download leaves them
(components/data/sources/ego4d.py). Two annotators tell each video, with the release's tags: `#C` the camera wearer,
`#O` another person, `#unsure`. One film is there in the small size alone and one not at all, one video is redacted, one
has no narrations, and a benchmark holds one out.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from components.prompts.kitchen_grammar import narrate
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.script import Take, script_take

FIRST_TAKE = 680_000  # scripts of their own
VIDEOS = 7
TAKE_S = 16.0
SMALL, MISSING, REDACTED, SILENT, HELD_OUT = 1, 2, 3, 4, 5  # numbers of videos
PASSES = ("narration_pass_1", "narration_pass_2")
OTHERS = ("#O A woman X walks across the room", "#O A man Y looks at C", "#C C looks around #unsure")


def scripts(seed: int) -> dict[str, Take]:
    """Return the script of each video, by its uid."""
    return {
        seeded_uid(seed, "ego4d", number): script_take(seed, FIRST_TAKE + number, take_s=TAKE_S)
        for number in range(VIDEOS)
    }


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write metadata and narrations, and return the films that are still to be made."""
    told, listed, films = {}, [], []
    for number, (uid, take) in enumerate(scripts(plan.seed).items()):
        told[uid] = _told(uid, take, number, seed=plan.seed)
        split = "val" if number == HELD_OUT else "train"
        listed.append(
            {"video_uid": uid, "duration_sec": TAKE_S, "split_em": split, "split_av": None, "split_fho": None}
        )
        folder = "v2/video_540ss" if number == SMALL else "v2/full_scale"
        if number != MISSING:
            films.append(Film(root / folder / f"{uid}.mp4", take, 0.0, TAKE_S, plan.fps))
    _dump(root / "ego4d.json", {"version": "v2", "videos": listed})
    _dump(root / "v2/annotations/narration.json", told)
    return films


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def _told(uid: str, take: Take, number: int, *, seed: int) -> dict:
    """Return what annotators say of a video: each of them of every event, and of something else."""
    if number == REDACTED:
        return {"status": "redacted"}
    if number == SILENT:
        return {"status": "complete"}
    told: dict = {"status": "complete"}
    for at, name in enumerate(PASSES):
        rng = random.Random(f"{seed}/ego4d/{uid}/{name}")
        said = [
            (rng.uniform(event.start_s, event.end_s), f"#C {narrate(take.facts(event)).removesuffix('.')}")
            for event in take.events
        ]
        said.append((rng.uniform(0.0, TAKE_S), OTHERS[(number + at) % len(OTHERS)]))
        narrations = [
            {
                "timestamp_sec": round(time_s, 4),
                "timestamp_frame": int(time_s * 30),
                "narration_text": text,
                "annotation_uid": seeded_uid(seed, "ego4d", uid, name),
            }
            for time_s, text in sorted(said)
        ]
        summary = {"start_sec": 0.0, "end_sec": TAKE_S, "summary_text": "#Summary C worked in a kitchen"}
        told[name] = {"narrations": narrations, "summaries": [summary]}
    return told
