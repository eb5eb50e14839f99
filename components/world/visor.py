"""Write hand and object outlines of ego frames in EPIC-KITCHENS VISOR's sparse format.

Layout and keys: epic-kitchens/VISOR-VIS README.md; pixels of 1920x1080; 300 is the left hand and 301 the right one.
Where EPIC-KITCHENS-100 is written too, its videos are annotated: the number in an image name counts images of 60 or 50
a second from 1, and frame_mapping.json names the released image of each. In the name of an image of an Ego-Exo4D take,
the number counts the video's frames from 0.
"""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np

from components.prompts.kitchen_grammar import KINDS
from components.world import epic100
from components.world.films import Film
from components.world.plan import PlannedTake, WorldPlan, seeded_uid
from components.world.script import Take
from components.world.shapes import Shape, ego_shapes

ANNOTATIONS = "GroundTruth-SparseAnnotations/annotations"
MAPPING = "frame_mapping.json"
WIDTH_PX, HEIGHT_PX = 1920, 1080
HAND_CLASSES = {"left hand": 300, "right hand": 301}
SPECK_SHARE = 0.03  # of the frames, a stray mask of two points
TYPO_SHARE = 0.002  # of the right hands, spelt "rigth hand"; the first one always


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write one json for every video and the mapping of EPIC's images; it has no films of its own."""
    typo_due = True
    for take in _annotated_takes(plan):
        numbers = _frame_numbers(take.take, plan.fps, seed=plan.seed)
        frames = [_frame(take.take, take.name, number, number / plan.fps, seed=plan.seed) for number in numbers]
        typo_due = _misspell(frames, take.take, is_due=typo_due, seed=plan.seed)
        _dump(root / ANNOTATIONS / take.split / f"{take.name}.json", frames)
    if plan.is_epic100_written:
        mapping = {}
        for each in epic100.plan_videos(plan.seed):
            images, released = _images(each, seed=plan.seed)
            frames = [_frame(each.take, each.video_id, number, at_s, seed=plan.seed) for number, at_s in images]
            _dump(root / ANNOTATIONS / each.split / f"{each.video_id}.json", frames)
            mapping[each.video_id] = released
        (root / MAPPING).write_text(json.dumps(mapping))
    return []


def _annotated_takes(plan: WorldPlan) -> list[PlannedTake]:
    """Return the train and val takes that were not dropped; none where only EPIC's videos are there."""
    is_annotated = plan.is_egoexo4d_written or not plan.is_epic100_written
    return [take for take in plan.takes if is_annotated and not take.is_dropped and take.split != "test"]


def _dump(path: Path, frames: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"info": {"Dataset Name": "VISOR"}, "video_annotations": frames}))


def _misspell(frames: list[dict], take: Take, *, is_due: bool, seed: int) -> bool:
    """Misspell a few right hands, the next one in any case where `is_due`; return whether it still is."""
    rng = random.Random(f"{seed}/{take.index}/typo")
    for mask in (mask for frame in frames for mask in frame["annotations"] if mask["name"] == "right hand"):
        if is_due or rng.random() < TYPO_SHARE:
            mask["name"] = "rigth hand"
            is_due = False
    return is_due


def _frame_numbers(take: Take, fps: float, *, seed: int) -> list[int]:
    """Choose 6 to 8 frames, one in each equal part of the take."""
    rng = random.Random(f"{seed}/{take.index}/frames")
    parts = np.linspace(0, take.take_s * fps, rng.randint(6, 8) + 1).astype(int)
    return [rng.randrange(int(low), int(high)) for low, high in zip(parts, parts[1:], strict=False)]


def _images(each: epic100.EpicVideo, *, seed: int) -> tuple[list[tuple[int, float]], dict[str, str]]:
    """Choose images of a video of EPIC-KITCHENS.

    Returns:
        The number of each and the time of what it shows, seconds; and the name of the released image by its own name.
    """
    fps = each.film_fps or Fraction(each.images_per_s)
    indices = _frame_numbers(each.take, float(fps), seed=seed)
    # a frame fills the images from the place nearest to its start on
    numbers = [round(index * each.images_per_s / fps) + 1 for index in indices]
    released = {
        f"{each.video_id}_frame_{number:010d}.jpg": f"frame_{number + each.early_images:010d}.jpg" for number in numbers
    }
    return [(number, float(index / fps)) for number, index in zip(numbers, indices, strict=True)], released


def _frame(take: Take, video: str, number: int, at_s: float, *, seed: int) -> dict:
    """Annotate an image.

    Args:
        take: the script of the video.
        video: its name.
        number: in the name of the image.
        at_s: time of what the image shows, seconds.
        seed: of the world.
    """
    rng = random.Random(f"{seed}/{take.index}/frame/{number}")
    shapes = [shape for shape in ego_shapes(take, at_s) if shape.visible]
    ids = {shape.name: seeded_uid(seed, "mask", take.index, number, shape.name)[-12:] for shape in shapes}
    masks = [_mask(shape, ids, rng) for shape in shapes]
    if rng.random() < SPECK_SHARE:
        speck = [[round(rng.uniform(0, WIDTH_PX), 1), round(rng.uniform(0, HEIGHT_PX), 1)] for _ in range(2)]
        mask_id = seeded_uid(seed, "speck", take.index, number)[-12:]
        masks.append({"id": mask_id, "name": "drawer", "class_id": 8, "exhaustive": "n", "segments": [speck]})
    name = f"{video}_frame_{number:010d}.jpg"
    image = {
        "image_path": f"{video}/{name}",
        "name": name,
        "subsequence": f"{video}_seq_00001",
        "video": video,
    }
    return {"image": image, "annotations": masks}


def _mask(shape: Shape, ids: dict[str, str], rng: random.Random) -> dict:
    # outlines leave the frame where the object does; an annotator draws along the edge
    scale = np.array([WIDTH_PX, HEIGHT_PX])
    segments = [np.round(np.clip(polygon, 0, 1) * scale, 2).tolist() for polygon in shape.polygons]
    is_hand = shape.name in HAND_CLASSES
    mask = {
        "id": ids[shape.name],
        "name": shape.name,
        "class_id": HAND_CLASSES[shape.name] if is_hand else 20 + KINDS.index(shape.name.split()[-1]),
        "exhaustive": rng.choices(["y", "n", "inconclusive"], [0.9, 0.07, 0.03])[0],
        "segments": segments,
    }
    if is_hand:
        mask["in_contact_object"] = ids.get(shape.contact or "", "hand-not-in-contact")
    return mask
