"""A hand and object detector from a Hugging Face folder: an object detection model, some of whose labels name hands.

The folder is read as it lies, its weights from safetensors; nothing is downloaded.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from components.data.funnel.detections import (
    LEARNED,
    THRESHOLD,
    Candidate,
    Detect,
    Detections,
    ranked,
    without_duplicates,
)

UNKNOWN_SIDE = -1  # of a hand whose label does not say which it is
BATCH = 8  # frames that go through the model at once


def side_of(label: str) -> int | None:
    """Return which hand a label names: an index into SIDES, or UNKNOWN_SIDE; None where it names an object.

    >>> [side_of(label) for label in ("Left_Hand", "hand-right", "Hands", "handbag", "hand saw")]
    [0, 1, -1, None, None]
    """
    words = re.findall("left|right|[a-z]+", label.lower())
    sides = [side for side, word in enumerate(("left", "right")) if word in words]
    if [word for word in words if word not in ("left", "right")][-1:] not in (["hand"], ["hands"]):
        return None
    return sides[0] if len(sides) == 1 else UNKNOWN_SIDE


def check(folder: Path) -> None:
    """Look at the files and labels of a folder, before anything is loaded.

    Raises:
        ValueError: it is no folder of a detection model in safetensors with a label that names a hand.
    """
    lacking = [name for name in ("config.json", "preprocessor_config.json") if not (folder / name).is_file()]
    if lacking:
        raise _error(folder, f"it has no {' and no '.join(lacking)}")
    if not any(folder.glob("*.safetensors")):
        raise _error(folder, "it has no weights in safetensors")
    try:
        config = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise _error(folder, f"its config.json cannot be read: {error}") from error
    names = config.get("architectures") or []
    if not any(name.endswith("ForObjectDetection") for name in names):
        raise _error(folder, f"its config.json names the architectures {names}, none of them for object detection")
    if config.get("backbone") and not config.get("backbone_config"):
        # transformers 5.23 asks the hub for it, even with local_files_only
        raise _error(
            folder,
            f"its config.json names the backbone {config['backbone']!r} without a backbone_config, so that it would be "
            "looked up elsewhere; save the model again with a current transformers",
        )
    labels = [str(label) for label in config.get("id2label", {}).values()]
    if {*config.get("id2label", {})} != {str(number) for number in range(len(labels))}:
        raise _error(folder, f"its {len(labels)} labels (id2label in config.json) are not numbered from 0 on")
    if all(side_of(label) is None for label in labels):
        some = ", ".join(map(repr, labels[:8])) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
        raise _error(folder, f"none of its {len(labels)} labels (id2label in config.json: {some}) names a hand")


def opened(folder: Path) -> Detect:
    """Load the detector of a folder.

    Returns:
        A function from uint8 frames [T, S, S, 3] to what is seen in them.

    Raises:
        ValueError: the folder holds no such detector.
    """
    check(folder)
    import torch
    from safetensors import SafetensorError
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    try:
        model, fit = AutoModelForObjectDetection.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        # the backend without torchvision everywhere, or a GPU machine would see other pixels
        images = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise _error(folder, str(error)) from error
    if fit["missing_keys"]:
        raise _error(folder, f"its weights lack {sorted(fit['missing_keys'])[:4]} and would be random")
    if not hasattr(images, "post_process_object_detection"):
        raise _error(folder, f"{type(images).__name__} of its preprocessor_config.json is for no detection model")
    model.eval()
    sides = {number: side_of(label) for number, label in model.config.id2label.items()}

    @torch.inference_mode()
    def detect(frames: np.ndarray) -> Detections:
        hands: list[list[Candidate]] = []
        objects: list[list[Candidate]] = []
        for first in range(0, len(frames), BATCH):
            inputs = images(images=list(frames[first : first + BATCH]), return_tensors="pt")
            for seen in images.post_process_object_detection(model(**inputs), threshold=THRESHOLD):
                of_hands: list[Candidate] = []
                of_objects: list[Candidate] = []
                boxes = seen["boxes"].clamp(0, 1).tolist()
                for score, number, box in zip(seen["scores"].tolist(), seen["labels"].tolist(), boxes, strict=True):
                    side = sides[number]
                    if side is None:
                        of_objects.append((score, tuple(box), UNKNOWN_SIDE))
                    else:
                        of_hands.append((score, tuple(box), side))
                hands.append(with_sides(without_duplicates(of_hands)))
                objects.append(without_duplicates(of_objects))
        return ranked(hands, objects)

    return detect


def with_sides(hands: list[Candidate]) -> list[Candidate]:
    """Say of each hand of a frame which it is, by where it lies, if its label does not: the left one is on the left.

    One alone is the hand of its half of the frame; of two the one further left is the left hand.
    """
    centres = sorted((box[0] + box[2]) / 2 for _, box, side in hands if side == UNKNOWN_SIDE)
    middle = sum(centres) / len(centres) if len(centres) > 1 else 0.5
    return [
        (score, box, int((box[0] + box[2]) / 2 >= middle) if side == UNKNOWN_SIDE else side)
        for score, box, side in hands
    ]


def _error(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"funnel.hand_detector is {str(folder)!r}: {what}; allowed are {LEARNED!r} and the folder of a Hugging Face "
        "model for object detection, with safetensors and labels such as 'left hand'; mend it in params/data.yaml"
    )
