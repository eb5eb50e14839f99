"""Write EgoClip: egoclip.csv, which is separated by tabs, and the films that it names, as Ego4D names them.

Columns are those of the release (showlab/EgoVLP data_loader/EgoClip_EgoMCQ_dataset.py). Its defects are here too: a
clip that begins before its video, quotes that are text, the action of another person, a clip beyond the end of its
film, a film that is not there and one that broke off.
"""

from __future__ import annotations

from pathlib import Path

from components.prompts.kitchen_grammar import KINDS, VERBS, narrate
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.script import Take, script_take

FIRST_TAKE = 760_000  # scripts of its own
FILMS, FILM_S = 6, 8.0
GONE, BROKEN = 1, 2  # the film that is not there, and the one that broke off
HALF_S = 0.6  # of a clip, around the time of its narration
COLUMNS = (
    "clip_idx",
    "video_uid",
    "video_dur",
    "narration_source",
    "narration_ind",
    "narration_time",
    "clip_start",
    "clip_end",
    "clip_text",
    "tag_verb",
    "tag_noun",
)


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write egoclip.csv below `root`, and return the films that are still to be made."""
    takes = [script_take(plan.seed, FIRST_TAKE + number, take_s=FILM_S) for number in range(FILMS)]
    uids = [seeded_uid(plan.seed, "egoclip", number) for number in range(FILMS)]
    clips = [clip for uid, take in zip(uids, takes, strict=True) for clip in _clips(uid, take)]
    clips[0]["clip_start"] = "-0.4"
    clips[1]["clip_text"] = f'#C C says "stop", {clips[1]["clip_text"].removeprefix("#C C ")}'
    clips[2]["clip_text"] = "#O a man X walks through the kitchen"
    clips[-1] |= {"clip_start": str(FILM_S + 1), "clip_end": str(FILM_S + 2)}
    rows = [{**clip, "clip_idx": str(number)} for number, clip in enumerate(clips)]
    lines = ["\t".join(COLUMNS), *("\t".join(row[name] for name in COLUMNS) for row in rows)]
    (root / "egoclip.csv").write_text("\n".join(lines) + "\n")
    films = [
        Film(root / "full_scale" / f"{uid}.mp4", take, 0.0, FILM_S, plan.fps)
        for uid, take in zip(uids, takes, strict=True)
    ]
    (root / "full_scale").mkdir()
    films[BROKEN].path.write_bytes(b"broke off")
    return [film for number, film in enumerate(films) if number not in (GONE, BROKEN)]


def _clips(uid: str, take: Take) -> list[dict[str, str]]:
    clips = []
    for number, event in enumerate(take.events):
        facts, time_s = take.facts(event), (event.start_s + event.end_s) / 2
        clip = {"video_uid": uid, "video_dur": str(FILM_S), "narration_source": "narration_pass_1"}
        clip |= {"narration_ind": str(number), "narration_time": f"{time_s:.4f}", "clip_text": f"#C {narrate(facts)}"}
        clip |= {"clip_start": f"{time_s - HALF_S:.6f}", "clip_end": f"{time_s + HALF_S:.6f}"}
        clips.append(clip | {"tag_verb": f"[{VERBS.index(facts.verb)}]", "tag_noun": f"[{KINDS.index(facts.type)}]"})
    return clips
