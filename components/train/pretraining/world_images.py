"""Captioned images of the miniature's world, on which its vision towers are pre-trained; they stand for CLIP.

The takes are rendered afresh, not decoded from video, and are none of the dataset's. A tubelet of frames at a random
moment of an action, in an ego or exo view, is paired with its caption and with the phrases of that caption.
"""

from __future__ import annotations

import cv2
import numpy as np

from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS
from components.train.pretraining.world_text import FIRST_TAKE
from components.world.cameras import VIEWS
from components.world.render import render
from components.world.script import script_take
from components.world.shapes import shapes

PHRASES = {"verb": VERBS, "colour": COLOURS, "type": KINDS, "hand": HANDS}
# seconds between the frames of a tubelet, as stills, short clips and long windows have them
GAPS_S = (0.0, 0.125, 0.25, 0.5)
GAP_SHARES = (0.1, 0.2, 0.4, 0.3)


def tubelet(seed: int, index: int, *, frames: int, size_px: int, render_px: int, grid: int) -> dict[str, np.ndarray]:
    """Render one training pair, with the regions that its phrases are about.

    Args:
        seed: of all pairs.
        index: of this pair; the same seed and index give the same pair.
        frames: frames of the tubelet.
        size_px: side of the result.
        render_px: side at which frames are rendered before they are shrunk, as decoded videos are.
        grid: side of the encoder's patch grid.

    Returns:
        frames: uint8 [T, H, W, 3].
        slots: index of the caption's phrase for each slot, in the order of PHRASES [4].
        regions: share of each patch in the total of each region [R, grid * grid]; zero for what is not visible.
        region_slots: phrase of each region in each slot [R, 4], -1 where a slot does not apply.
    """
    rng = np.random.default_rng((seed, index, 23))
    take = script_take(seed, FIRST_TAKE + index)
    event = take.events[rng.integers(len(take.events))]
    facts = take.facts(event)
    view = VIEWS[rng.integers(len(VIEWS))] if rng.random() < 0.5 else "ego"
    gap_s = rng.choice(GAPS_S, p=GAP_SHARES)
    time_s = event.start_s + (event.end_s - event.start_s) * rng.uniform(0.15, 0.85)
    times_s = np.clip(time_s + (np.arange(frames) - (frames - 1) / 2) * gap_s, 0.0, take.take_s)
    images = [
        cv2.resize(render(take, t, view, size_px=render_px), (size_px, size_px), interpolation=cv2.INTER_AREA)
        for t in times_s
    ]
    slots = np.array(
        [VERBS.index(facts.verb), COLOURS.index(facts.colour), KINDS.index(facts.type), HANDS.index(facts.hand)]
    )
    regions, region_slots = [], []
    for shape in shapes(take, float(times_s.mean()), view):
        regions.append(coverage(np.concatenate(shape.polygons), grid) if shape.visible else np.zeros((grid, grid)))
        first, second = shape.name.split()
        is_hand = second == "hand"
        acting = is_hand and first == facts.hand
        region_slots.append(
            (slots[0] if acting else -1, -1, -1, HANDS.index(first)) if is_hand
            else (-1, COLOURS.index(first), KINDS.index(second), -1)
        )  # fmt: skip
    weights = np.stack(regions).reshape(len(regions), -1)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)
    return {
        "frames": np.stack(images),
        "slots": slots,
        "regions": weights.astype(np.float32),
        "region_slots": np.array(region_slots),
    }


def coverage(points: np.ndarray, grid: int) -> np.ndarray:
    """Return the share of each cell [grid, grid] that the bounding box of points (0..1 of the frame) covers."""
    low, high = (np.clip(edge, 0, 1) * grid for edge in (points.min(0), points.max(0)))
    cells = np.arange(grid)
    spans = [np.clip(np.minimum(high[axis], cells + 1) - np.maximum(low[axis], cells), 0, None) for axis in (0, 1)]
    return np.outer(spans[1], spans[0])
