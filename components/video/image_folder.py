"""A folder of images as a video: its frames are the images in the order of their names, and 10 comes after 2 in them.

OpenEQA's episodes are such folders; no file says at which rate they were taken, so that FPS stands for it. Where depth
lies beside colour, colour is named `<number>-rgb.png` (facebookresearch/open-eqa openeqa/baselines/gpt4v.py), and only
that is a frame. EPIC-KITCHENS releases its videos as folders of numbered images too. Their rate is known: a missing
image would shift the time of all later ones, and `check_numbering` refuses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from components.video.errors import NumberingError

FPS = 1.0
SUFFIXES = (".png", ".jpg", ".jpeg")
_NUMBERS = re.compile(r"([0-9]+)")
_LAST_NUMBER = re.compile(r"[0-9]+(?=[^0-9]*$)")


def files(folder: Path) -> list[Path]:
    """Return the images of a folder, in order."""
    return [folder / name for name in _names(folder)]


def _names(folder: Path) -> tuple[str, ...]:
    return _listed(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # the images of an hour are 200,000, and are asked for part by part
def _listed(folder: Path, _mtime_ns: int) -> tuple[str, ...]:
    with os.scandir(folder) as entries:  # tells files apart without a question for each
        images = [entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    found = sorted(images, key=_by_numbers)
    return tuple(name for name in found if Path(name).stem.endswith("-rgb")) or tuple(found)


def _by_numbers(name: str) -> tuple:
    """Return what a name is sorted by: its numbers as numbers, and what stands between them as text."""
    # texts and numbers take turns, so that a number is never compared with a text
    parts = _NUMBERS.split(name)
    return *(int(part) if at % 2 else part for at, part in enumerate(parts)), name


def check_numbering(folder: Path, images: Sequence[Path]) -> None:
    """Check that images are numbered in their names one after the other, from whatever number on.

    Raises:
        NumberingError: a number is missing, is there twice, or an image has none.
    """
    numbers = [int(found[0]) if (found := _LAST_NUMBER.search(image.stem)) else -1 for image in images]
    for expected, number, image in zip(range(numbers[0], numbers[0] + len(images)), numbers, images, strict=True):
        if number != expected:
            raise NumberingError(folder, f"image {expected} should come where {image.name} is")


def read(folder: Path, wanted: np.ndarray) -> list[np.ndarray]:
    """Read chosen images.

    Args:
        folder: holds the images.
        wanted: int array [T], numbers of frames from 0, in rising order.

    Returns:
        uint8 arrays [H, W, 3], RGB, each of the size of its file.

    Raises:
        OSError: the folder holds fewer images, or one of them cannot be read.
    """
    import cv2

    names = _names(folder)
    if wanted[-1] >= len(names) or wanted[0] < 0:
        raise OSError(f"frames {wanted[0]} to {wanted[-1]} are asked, the folder holds {len(names)}")
    frames = []
    for name in (names[index] for index in wanted):
        frame = cv2.imread(str(folder / name), cv2.IMREAD_COLOR_RGB)
        if frame is None:
            raise OSError(f"{name} is no image that can be read")
        frames.append(frame)
    return frames
