"""Write videos of a kitchen in the layout of EPIC-KITCHENS-100: films, folders of images, and their narrations.

Files: EPIC_100_{train,validation,video_info}.csv (columns: epic-kitchens/epic-kitchens-100-annotations README.md),
`<participant>/videos/<video>.MP4` and `<participant>/rgb_frames/<video>/frame_0000000001.jpg`. Images have 60 a second
in the first release and 50 in the extension; the films have rates of their own. As in the release, a folder begins with
images that the film does not have, some narrations have no time and some a time far from their action. One video is
missing, one lies in a tar file, one folder lacks an image, and one was unpacked by half.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from components import video
from components.world.films import Film
from components.world.plan import WorldPlan
from components.world.render import draw
from components.world.script import Event, Take, scene_at, script_take

FIRST_TAKE = 670_000  # scripts of their own
TAKE_S = 12.0
NTSC = Fraction(60_000, 1001)
FILES = {"train": "EPIC_100_train.csv", "val": "EPIC_100_validation.csv"}
COLUMNS = (
    "narration_id",
    "participant_id",
    "video_id",
    "narration_timestamp",
    "start_timestamp",
    "stop_timestamp",
    "start_frame",
    "stop_frame",
    "narration",
    "verb",
    "verb_class",
    "noun",
    "noun_class",
    "all_nouns",
    "all_noun_classes",
)
# how a participant says what happens
PHRASES = {
    "picks up": "pick up",
    "puts down": "put down",
    "washes": "wash",
    "cuts": "cut",
    "stirs": "stir",
    "pours": "pour",
    "shakes": "shake",
    "opens": "open",
}
JITTER_S = 0.15


@dataclass(frozen=True)
class EpicVideo:
    """A video of the release.

    Attributes:
        video_id: `PXX_YY` in the first release, `PXX_1YY` in the extension.
        split: "train" or "val".
        take: its script.
        film_fps: frames a second of its film; None where only images are there.
        early_images: images that stand before the first one that VISOR has too.
        defect: "missing", "in a tar file", "with a gap", "half of it", or none.
    """

    video_id: str
    split: str
    take: Take
    film_fps: Fraction | None
    early_images: int = 0
    defect: str = ""

    @property
    def participant(self) -> str:
        """Who wore the camera."""
        return self.video_id.split("_")[0]

    @property
    def images_per_s(self) -> int:
        """Images a second that were extracted."""
        return 60 if len(self.video_id.split("_")[1]) == 2 else 50


def plan_videos(seed: int) -> list[EpicVideo]:
    """Return the videos of the release; all but the ones with a defect can be read."""
    kinds = (
        ("P01_01", "train", NTSC, 0, ""),
        ("P01_02", "train", Fraction(30_000, 1001), 0, ""),
        ("P01_101", "train", Fraction(50), 0, ""),
        ("P02_01", "train", None, 3, ""),
        ("P02_101", "train", None, 0, ""),
        ("P02_03", "val", NTSC, 0, ""),
        ("P02_102", "val", None, 2, ""),
        ("P03_01", "train", NTSC, 0, "missing"),
        ("P03_02", "train", None, 0, "in a tar file"),
        ("P03_101", "val", None, 0, "with a gap"),
        ("P03_102", "train", None, 0, "half of it"),
    )
    return [
        EpicVideo(name, split, script_take(seed, FIRST_TAKE + number, take_s=TAKE_S), fps, early, defect)
        for number, (name, split, fps, early, defect) in enumerate(kinds)
    ]


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write the narrations and the folders of images, and return the films that are still to be made."""
    videos = plan_videos(plan.seed)
    for split, name in FILES.items():
        with (root / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for each in videos if each.split == split for row in _rows(each, seed=plan.seed))
    with (root / "EPIC_100_video_info.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video_id", "duration", "fps", "resolution"])
        writer.writerows(
            [each.video_id, TAKE_S, float(each.film_fps or each.images_per_s), "1920x1080"] for each in videos
        )
    for each in videos:
        if each.film_fps is None:
            _write_images(each, root, size_px=plan.size_px)
    return [
        Film(root / each.participant / "videos" / f"{each.video_id}.MP4", each.take, 0.0, TAKE_S, each.film_fps)
        for each in videos
        if each.film_fps is not None and each.defect != "missing"
    ]


def _write_images(each: EpicVideo, root: Path, *, size_px: int) -> None:
    folder = root / each.participant / "rgb_frames" / each.video_id
    if each.defect == "in a tar file":
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.with_suffix(".tar").write_bytes(b"an archive that has to be unpacked")
        return
    count = round(TAKE_S * each.images_per_s) + each.early_images
    if each.defect:
        count //= 2
    times_s = (max(0, number - each.early_images) / each.images_per_s for number in range(count))
    video.write_images(
        folder, (draw(each.take, scene_at(each.take, at_s), at_s, "ego", size_px=size_px) for at_s in times_s)
    )
    if each.defect == "with a gap":
        (folder / "frame_0000000005.jpg").unlink()


def _rows(each: EpicVideo, *, seed: int) -> Iterator[dict]:
    rng = random.Random(f"{seed}/epic100/{each.video_id}")
    for number, event in enumerate(each.take.events):
        start_s = max(0.0, event.start_s + rng.uniform(-JITTER_S, JITTER_S))
        stop_s = event.end_s + rng.uniform(-JITTER_S, JITTER_S)
        spoken_s = (start_s + stop_s) / 2 + (rng.uniform(2, 60) if number % 3 == 1 else 0.0)
        yield {
            "narration_id": f"{each.video_id}_{number}",
            "participant_id": each.participant,
            "video_id": each.video_id,
            "narration_timestamp": "" if number % 5 == 3 else _clock(spoken_s, digits=3),
            "start_timestamp": _clock(start_s, digits=2),
            "stop_timestamp": _clock(stop_s, digits=2),
            "start_frame": int(start_s * each.images_per_s),
            "stop_frame": int(stop_s * each.images_per_s),
            **_words(each.take, event),
        }


def _words(take: Take, event: Event) -> dict:
    """Return the narration, and its verb and noun as the release parses them: the noun's kind stands first."""
    facts = take.facts(event)
    noun, verb = f"{facts.type}:{facts.colour}", PHRASES[facts.verb].replace(" ", "-")
    return {
        "narration": f"{PHRASES[facts.verb]} {facts.object}",
        "verb": verb,
        "verb_class": list(PHRASES).index(facts.verb),
        "noun": noun,
        "noun_class": event.item,
        "all_nouns": [noun],
        "all_noun_classes": [event.item],
    }


def _clock(time_s: float, *, digits: int) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"00:{int(minutes):02d}:{seconds:0{digits + 3}.{digits}f}"
