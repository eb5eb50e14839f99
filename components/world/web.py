"""Write web video as HowTo100M's: films, and annotations of them in the formats of HTM-AA and Howto-Interlink7M.

Files: htm_aa/htm_aa_v1.csv and htm_aa/videos/<vid>.mp4 (TengdaHan/TemporalAlignNet htm_aa/readme.md);
interlink7m/Howto-Interlink7M_subset_w_all_clips_{train,val}.tsv and the films that its `path` names (showlab/cosmo).
Most of it is of no use to EgoRe, on purpose; `plan_videos` gives the truth of each film from the seed alone.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np

from components import video
from components.prompts.kitchen_grammar import narrate
from components.world.cameras import EGO_WIDTH
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.render import draw
from components.world.script import Pose, Scene, Take, scene_at, script_take
from components.world.silhouettes import SKIN_RGB, hand_look

FIRST_TAKE = 500_000  # scripts of their own, far from those of the takes
VIDEO_S = 8.0
SHARES = {  # kind -> share of the films that can be read
    "hands_at_work": 0.5,  # ego; the only kind that EgoRe wants
    "whole_room": 0.2,  # exo
    "hands_rest": 0.1,  # ego, nothing moves
    "nothing_near": 0.1,  # ego, hands that talk over an empty worktop
    "second_person": 0.1,  # ego, four hands at work
}
BROKEN = ("corrupt", "missing")  # one film each, where there are films enough
CORPORA = ("htm_aa", "interlink7m")
CHATTER = "hey guys welcome back to my kitchen"


@dataclass(frozen=True)
class WebVideo:
    """One film of the web and its truth: `kind` is a key of SHARES or one of BROKEN, `corpus` who tells of it."""

    vid: str
    kind: str
    corpus: str
    take: Take


def plan_videos(seed: int, videos: int) -> list[WebVideo]:
    """Deal out kinds and corpora.

    >>> [each.kind for each in plan_videos(7, 60)].count("hands_at_work")
    29
    """
    broken = BROKEN if videos > len(BROKEN) + len(SHARES) else ()
    whole = videos - len(broken)
    bounds = np.rint(np.cumsum([0.0, *SHARES.values()]) * whole).astype(int)
    kinds = [*broken, *np.repeat(list(SHARES), np.diff(bounds)).tolist()]
    random.Random(f"{seed}/web").shuffle(kinds)
    return [
        WebVideo(
            vid=seeded_uid(seed, "web", number).replace("-", "")[:11],
            kind=kind,
            corpus=CORPORA[number % 3 == 2],
            take=script_take(seed, FIRST_TAKE + number, take_s=VIDEO_S),
        )
        for number, kind in enumerate(kinds)
    ]


def write(corpus: str, root: Path, plan: WorldPlan) -> list[Film]:
    """Write the annotations and films of a corpus.

    Args:
        corpus: one of CORPORA.
        root: its folder.
        plan: of the world.

    Returns:
        No films: those of the web show what no script says, and are made here.
    """
    in_corpus = [each for each in plan_videos(plan.seed, plan.web_videos) if each.corpus == corpus]
    (_write_sentences if corpus == "htm_aa" else _write_captions)(in_corpus, root)
    for each in in_corpus:
        if each.kind != "missing":
            film(each, root / _path(each), fps=plan.fps, size_px=plan.size_px)
    return []


def film(each: WebVideo, path: Path, *, fps: int, size_px: int) -> None:
    """Write the film of a web video, of a corrupt one its beginning.

    Args:
        each: the video.
        path: of the file.
        fps: frames per second.
        size_px: side of the square frames.
    """
    video.write(path, _frames(each, fps=fps, size_px=size_px), fps=fps, size_px=size_px)
    if each.kind == "corrupt":
        path.write_bytes(path.read_bytes()[:2000])


def _path(each: WebVideo) -> str:
    return f"videos/{each.vid}.mp4"


def _write_sentences(planned: list[WebVideo], root: Path) -> None:
    with (root / "htm_aa_v1.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["vid", "timestamp", "text"])
        for each in planned:
            if each.take.events[0].start_s > 0:
                writer.writerow([each.vid, 0, CHATTER])
            for event in each.take.events:
                writer.writerow([each.vid, int(event.start_s), narrate(each.take.facts(event))])


def _write_captions(planned: list[WebVideo], root: Path) -> None:
    cut = len(planned) - len(planned) // 10
    for split, part in (("train", planned[:cut]), ("val", planned[cut:])):
        lines = ["path\tclips"]
        for each in part:
            clips = [
                {
                    "clip": f"0:00:{int(event.start_s):02d} - 0:00:{int(event.end_s):02d}",
                    "caption": narrate(each.take.facts(event)),
                }
                for event in each.take.events
            ]
            lines.append(f"{_path(each)}\t{json.dumps(clips)}")
        (root / f"Howto-Interlink7M_subset_w_all_clips_{split}.tsv").write_text("\n".join(lines) + "\n")


def _frames(each: WebVideo, *, fps: int, size_px: int) -> Iterator[np.ndarray]:
    take, view = each.take, "cam01" if each.kind == "whole_room" else "ego"
    if each.kind == "nothing_near":
        take = replace(take, items=(), events=())
    for number in range(round(VIDEO_S * fps)):
        time_s = 0.0 if each.kind == "hands_rest" else number / fps
        scene = _talking_hands(time_s) if each.kind == "nothing_near" else scene_at(take, time_s)
        frame = draw(take, scene, time_s, view, size_px=size_px)
        if each.kind == "second_person":
            _draw_others_hands(frame, time_s, light=take.light)
        yield frame


def _talking_hands(time_s: float) -> Scene:
    swing = 2 * pi * 0.4 * time_s
    hands = {
        hand: Pose(2.0 + side * (0.3 + 0.12 * sin(swing)), 0.3 + 0.25 * cos(swing), 0.2)
        for hand, side in (("left", -1), ("right", 1))
    }
    return Scene((), hands, 2.0, None, 0.0, frozenset(), frozenset())


def _draw_others_hands(frame: np.ndarray, time_s: float, *, light: float) -> None:
    """Draw the hands of somebody across the worktop, who reaches in from above."""
    size, look = frame.shape[0], hand_look()

    def lit(rgb: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(min(255, int(value * light)) for value in rgb)

    for side, phase in ((0.3, 0.0), (0.7, 1.5)):
        x, y = side + 0.05 * sin(2 * time_s + phase), 0.3 + 0.06 * cos(1.6 * time_s + phase)
        shoulder, wrist = ((int(u * size), int(v * size)) for u, v in ((side, -0.1), (x, y)))
        cv2.line(frame, shoulder, wrist, lit(SKIN_RGB), max(1, round(0.1 * size)), cv2.LINE_AA)
        points = np.rint((look.points / EGO_WIDTH + (x, y)) * size * 16).astype(np.int32)
        for part, rgb in look.parts:
            cv2.fillPoly(frame, [points[part]], lit(rgb), cv2.LINE_AA, shift=4)
