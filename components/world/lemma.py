"""Write recordings in LEMMA's format: folders of images of a worn camera and of one in the room, frame-aligned.

Files: annotations/action_intervals_w_tasks.json, annotations/splits/1x1_{train,val,test}.json and
videos/<recording>/{fpv1,master}/img_00001.jpg (components/data/sources/lemma.py says where these forms come from). As
the data have it, hands are named as tools, slots are empty, and the camera in the room stops a frame early. In one
recording the camera in the room has no images, one recording is of no split, and one action lies behind the end.
"""

from __future__ import annotations

import json
from pathlib import Path

from components import video
from components.world.films import Film
from components.world.plan import WorldPlan
from components.world.render import draw
from components.world.script import Event, Take, scene_at, script_take

FIRST_TAKE = 660_000  # scripts of their own
MOST_RECORDINGS = 6
TAKE_S, FPS = 8.0, 24
TEMPLATES = {  # "shakes" has no template
    "picks up": "Get [{item}] from [{place}] using [hand]",
    "puts down": "Put [{item}] to [{place}] using [hand]",
    "washes": "Wash [{item}]",
    "cuts": "Cut [{item}] on [{place}] using []",
    "stirs": "Blend [{item}] using [spoon]",
    "pours": "Pour from [{item}] into [] using [hand]",
    "opens": "Open [{item}]",
}
CAMERAS = {"fpv1": "ego", "master": "cam01"}
NO_MASTER, NO_SPLIT = 2, 3  # numbers of recordings
TASK = "make-juice"


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write annotations and images; there are no films.

    Args:
        root: folder of the source.
        plan: of the world; there are no more recordings than it has takes.
    """
    scripts = [
        script_take(plan.seed, FIRST_TAKE + number, take_s=TAKE_S)
        for number in range(min(MOST_RECORDINGS, len(plan.takes)))
    ]
    # of people that the release does not have: all of its recordings stand in benchmarks, and no training may see those
    names = [f"{90 + number}k-11-{number + 1}-1" for number in range(len(scripts))]
    intervals = {}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (name, take) in enumerate(zip(names, scripts, strict=True)):
        intervals[name] = {"P1": [_interval(take, event) for event in take.events if event.verb in TEMPLATES]}
        if number != NO_SPLIT:
            splits["val" if number == 4 else "test" if number == 5 else "train"].append(name)
        for camera, view in CAMERAS.items():
            if number != NO_MASTER or camera != "master":
                images = round(TAKE_S * FPS) - (camera == "master")
                times_s = (image / FPS for image in range(images))
                frames = (draw(take, scene_at(take, at_s), at_s, view, size_px=plan.size_px) for at_s in times_s)
                video.write_images(root / "videos" / name / camera, frames, name="img_{:05d}.jpg")
    late_frame = round(TAKE_S * FPS) + FPS
    intervals[names[0]]["P1"].append(["Open [closet]", late_frame, late_frame + FPS, TASK])
    _dump(root / "annotations/action_intervals_w_tasks.json", intervals)
    for split, content in splits.items():
        _dump(root / f"annotations/splits/1x1_{split}.json", content)
    return []


def _interval(take: Take, event: Event) -> list:
    item = take.items[event.item]
    action = TEMPLATES[event.verb].format(item=f"{item.colour}-{item.kind}", place=event.region)
    return [action, round(event.start_s * FPS), round(event.end_s * FPS), TASK]


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
