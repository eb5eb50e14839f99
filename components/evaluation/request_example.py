"""A row that a registered version can be asked, made from the files of its checkpoint. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from components import params

QUESTION = "What does C do?"
QWEN_PX = 56  # side of a frame: two merged patches of 28 pixels, the least that the family takes


def example(checkpoint: Path) -> list[dict]:
    """Return one row, in JSON's types, of a question about black frames of the model's size.

    Args:
        checkpoint: the finished stage's folder, with `model/`.
    """
    config = json.loads((checkpoint / "model" / "config.json").read_text())
    if config["model_type"].startswith(params.QWEN):
        size_px, count = QWEN_PX, 2
    else:
        size_px, count = config["vision_config"]["image_size"], config["tubelet_frames"]
    frames_THWC = [[[[0, 0, 0]] * size_px] * size_px] * count
    return [{"question": QUESTION, "frames": frames_THWC, "view": "ego", "duration_s": float(count)}]
