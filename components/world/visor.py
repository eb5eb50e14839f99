"""Write hand and object outlines of ego frames in EPIC-KITCHENS VISOR's sparse format.

Layout and keys: epic-kitchens/VISOR-VIS README.md; pixels of 1920x1080; 300 is the left hand and 301 the right one.
The frame number in an image name counts the video's frames from 0.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from components.prompts.kitchen_grammar import KINDS
from components.world.films import Film
from components.world.plan import PlannedTake, WorldPlan, seeded_uid
from components.world.shapes import Shape, ego_shapes

ANNOTATIONS = "GroundTruth-SparseAnnotations/annotations"
WIDTH_PX, HEIGHT_PX = 1920, 1080
HAND_CLASSES = {"left hand": 300, "right hand": 301}
SPECK_SHARE = 0.03  # of the frames, a stray mask of two points
TYPO_SHARE = 0.002  # of the right hands, spelt "rigth hand"; the first one always


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write one json for every train and val take that was not dropped; it has no films of its own."""
    seed, fps, typo_due = plan.seed, plan.fps, True
    for take in plan.takes:
        if take.is_dropped or take.split == "test":
            continue
        frames = [_frame(take, number, seed=seed, fps=fps) for number in _frame_numbers(take, seed=seed, fps=fps)]
        rng = random.Random(f"{seed}/{take.number}/typo")
        for mask in (mask for frame in frames for mask in frame["annotations"] if mask["name"] == "right hand"):
            if typo_due or rng.random() < TYPO_SHARE:
                mask["name"] = "rigth hand"
                typo_due = False
        path = root / ANNOTATIONS / take.split / f"{take.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"info": {"Dataset Name": "VISOR"}, "video_annotations": frames}))
    return []


def _frame_numbers(planned: PlannedTake, *, seed: int, fps: int) -> list[int]:
    """Choose 6 to 8 frames, one in each equal part of the take."""
    rng = random.Random(f"{seed}/{planned.number}/frames")
    parts = np.linspace(0, planned.take.take_s * fps, rng.randint(6, 8) + 1).astype(int)
    return [rng.randrange(int(low), int(high)) for low, high in zip(parts, parts[1:], strict=False)]


def _frame(planned: PlannedTake, number: int, *, seed: int, fps: int) -> dict:
    rng = random.Random(f"{seed}/{planned.number}/frame/{number}")
    shapes = [shape for shape in ego_shapes(planned.take, number / fps) if shape.visible]
    ids = {shape.name: seeded_uid(seed, "mask", planned.number, number, shape.name)[-12:] for shape in shapes}
    masks = [_mask(shape, ids, rng) for shape in shapes]
    if rng.random() < SPECK_SHARE:
        speck = [[round(rng.uniform(0, WIDTH_PX), 1), round(rng.uniform(0, HEIGHT_PX), 1)] for _ in range(2)]
        mask_id = seeded_uid(seed, "speck", planned.number, number)[-12:]
        masks.append({"id": mask_id, "name": "drawer", "class_id": 8, "exhaustive": "n", "segments": [speck]})
    name = f"{planned.name}_frame_{number:010d}.jpg"
    image = {
        "image_path": f"{planned.name}/{name}",
        "name": name,
        "subsequence": f"{planned.name}_seq_00001",
        "video": planned.name,
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
