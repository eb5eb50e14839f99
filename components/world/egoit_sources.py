"""Write the sources of EgoIT whose media are no takes: Something-Something-V2, EGTEA Gaze+, EgoTimeQA and OpenEQA.

Files and keys are those that components/data/sources/{ssv2,egtea,egotimeqa,openeqa}.py name; the texts use the
kitchen's words. Media lie below the folder of their source, where components/data/media.py looks for them. Each source
has what a real download has too: films that are missing or broke off, videos without a label, wrong answers that are
right, moments beyond the end.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from components.prompts.kitchen_grammar import COLOURS, KINDS, VERBS, narrate
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.render import render
from components.world.script import Event, Take, script_take
from components.world.shapes import ego_shapes

FIRST_TAKE = {"ssv2": 600_000, "egtea": 610_000, "egotimeqa": 620_000, "openeqa": 630_000}  # scripts of their own
MOST = {"ssv2": 24, "egtea": 24, "egotimeqa": 12, "openeqa": 6}  # media of each; fewer where the world has fewer takes
SSV2_FPS, EGTEA_FPS, EGO4D_FPS = 12, 24, 30
MISSING, BROKEN = 1, 2  # the medium that is not there, and the one that broke off
EPISODE_FRAMES = 8
QUESTIONS_PER_CLIP = 4


def write(source: str, root: Path, plan: WorldPlan) -> list[Film]:
    """Write annotations and frames of a source.

    Args:
        source: a key of FIRST_TAKE.
        root: folder of the source.
        plan: of the world; no source has more media than the world has takes.

    Returns:
        The films that are still to be made.
    """
    count = min(MOST[source], len(plan.takes))
    scripts = [script_take(plan.seed, FIRST_TAKE[source] + number) for number in range(count)]
    if source == "openeqa":
        _openeqa(root, scripts, seed=plan.seed, size_px=plan.size_px)
        return []
    writer = {"ssv2": _ssv2, "egtea": _egtea, "egotimeqa": _egotimeqa}[source]
    return _filmed(writer(root, scripts, seed=plan.seed, fps=plan.fps))


def _filmed(films: list[Film]) -> list[Film]:
    """Leave one film out, and write the beginning of another one only."""
    broken = films[BROKEN].path
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"broke off")
    return [film for number, film in enumerate(films) if number not in (MISSING, BROKEN)]


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def _event(take: Take, number: int) -> Event:
    return take.events[number % len(take.events)]


def _ssv2(root: Path, scripts: list[Take], *, seed: int, fps: int) -> list[Film]:
    """Write labels/*.json; every sixth video is of the validation set, every eighth one of the test set, unlabelled."""
    rows: dict[str, list[dict]] = {"train": [], "validation": [], "test": []}
    films = []
    for number, take in enumerate(scripts):
        event = _event(take, number)
        facts, video_id = take.facts(event), str(100_000 + 7 * number)
        row = {
            "id": video_id,
            "label": f"{facts.verb} the {facts.object}",
            "template": f"{facts.verb.capitalize()} the [something]",
            "placeholders": [facts.object],
        }
        split = "test" if number % 8 == 7 else "validation" if number % 6 == 0 else "train"
        rows[split].append({"id": video_id} if split == "test" else row)
        path = root / "20bn-something-something-v2" / f"{video_id}.webm"
        films.append(Film(path, take, event.start_s, event.end_s, SSV2_FPS))
    for split, content in rows.items():
        _dump(root / f"labels/{split}.json", content)
    classes = {f"{verb.capitalize()} the something": str(number) for number, verb in enumerate(VERBS)}
    _dump(root / "labels/labels.json", classes)
    return films


def _egtea(root: Path, scripts: list[Take], *, seed: int, fps: int) -> list[Film]:
    """Write action_idx.txt and three splits; a clip reaches a tenth of its action further at both ends."""
    actions = [f"{verb} {kind}" for verb in VERBS for kind in KINDS]
    named = {action: action.capitalize().replace(" ", "_") for action in actions}
    _lines(root / "action_idx.txt", (f"{named[action]} {number}" for number, action in enumerate(actions, 1)))
    films, lines = [], []
    for number, take in enumerate(scripts):
        event = _event(take, number)
        facts = take.facts(event)
        offset_s = 1 + take.take_s * (number % 4)  # of the take in its session
        start_s, end_s = offset_s + event.start_s, offset_s + event.end_s
        more_s = (end_s - start_s) / 10
        first, last = (int(time_s * EGTEA_FPS) for time_s in (start_s - more_s, end_s + more_s))
        session = f"P{number // 4 + 1:02d}-R01-Kitchen"
        clip = f"{session}-{start_s * 1000:.0f}-{end_s * 1000:.0f}-F{first:06d}-F{last:06d}"
        action = actions.index(f"{facts.verb} {facts.type}") + 1
        lines.append(f"{clip} {action} {VERBS.index(facts.verb) + 1} {KINDS.index(facts.type) + 1} ")
        seen_from_s, seen_to_s = (frame / EGTEA_FPS - offset_s for frame in (first, last))
        path = root / "cropped_clips" / session / f"{clip}.mp4"
        films.append(Film(path, take, seen_from_s, seen_to_s, EGTEA_FPS))
    for split in (1, 2, 3):
        held_out = [number % 5 == split - 1 for number in range(len(lines))]
        _lines(root / f"train_split{split}.txt", (line for line, out in zip(lines, held_out, strict=True) if not out))
        _lines(root / f"test_split{split}.txt", (line for line, out in zip(lines, held_out, strict=True) if out))
    return films


def _egotimeqa(root: Path, scripts: list[Take], *, seed: int, fps: int) -> list[Film]:
    """Write the questions about moments of whole takes; frames are those of a film of 30 a second, as floats."""
    rows, films = [], []
    for number, take in enumerate(scripts):
        rng = random.Random(f"{seed}/egotimeqa/{number}")
        video_id = seeded_uid(seed, "egotimeqa", number)
        films.append(Film(root / "clips" / f"{video_id}.mp4", take, 0.0, take.take_s, fps))
        for asked, event in enumerate(rng.sample(take.events, min(QUESTIONS_PER_CLIP, len(take.events)))):
            facts = take.facts(event)
            question, answer, words = (
                (f"what does C do with the {facts.object}?", facts.verb, VERBS),
                (f"what colour is the {facts.type} that C {facts.verb}?", facts.colour, COLOURS),
                (f"which kind of object is it that C {facts.verb}?", facts.type, KINDS),
            )[(number + asked) % 3]
            wrong = rng.sample([word for word in words if word != answer], 3)
            if len(rows) % 7 == 3:
                wrong = []  # an open question
            elif len(rows) % 16 == 5:
                wrong[0] = answer  # the language model that wrote them missed it
            late_s = take.take_s if len(rows) == 17 else 0.0
            start_s, end_s = event.start_s + late_s, event.end_s + late_s
            row: dict[str, object] = {"video_id": video_id, "sample_id": None, "question": question, "answer": answer}
            row |= {"start_sec": start_s, "end_sec": end_s, "narrations": narrate(facts), "wrong_answers": wrong}
            rows.append(row | {f"moment_{n}_frame": s * EGO4D_FPS for n, s in (("start", start_s), ("end", end_s))})
    _dump(root / "data/unified/annotations.EgoTimeQA.json", rows)
    return films


def _openeqa(root: Path, scripts: list[Take], *, seed: int, size_px: int) -> None:
    """Write a folder of frames for each episode but one, and what is asked of objects that are in sight."""
    import cv2

    rows = []
    for number, take in enumerate(scripts):
        folder = f"hm3d-v0/{number:03d}-hm3d-{seeded_uid(seed, 'openeqa', number)[:8]}"
        times_s = [(frame + 0.5) * take.take_s / EPISODE_FRAMES for frame in range(EPISODE_FRAMES)]
        if number != MISSING:
            (root / "data/frames" / folder).mkdir(parents=True)
            for frame, time_s in enumerate(times_s):
                image = cv2.cvtColor(render(take, time_s, "ego", size_px=size_px), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(root / "data/frames" / folder / f"{frame:05d}-rgb.png"), image)
                if number == 0:  # who extracts the frames gets depth beside them
                    depth = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
                    cv2.imwrite(str(root / "data/frames" / folder / f"{frame:05d}-depth.png"), depth)
        seen = {shape.name for time_s in times_s for shape in ego_shapes(take, time_s) if shape.visible}
        alone = Counter(word for item in take.items for word in (item.colour, item.kind))
        for item in take.items:
            asked = []
            if alone[item.kind] == 1:
                asked.append(("attribute recognition", f"what colour is the {item.kind}?", item.colour))
            if alone[item.colour] == 1:
                asked.append(("object recognition", f"which object is {item.colour}?", f"the {item.kind}"))
            for category, question, answer in asked if f"{item.colour} {item.kind}" in seen else ():
                row = {"question": question, "answer": answer, "category": category}
                row["question_id"] = seeded_uid(seed, "openeqa", number, question)
                row["episode_history"] = folder
                if category == "object recognition":
                    row["extra_answers"] = [item.kind, ""]  # blank ones stand in the release too
                rows.append(row)
    _dump(root / "data/open-eqa-v0.json", rows)
