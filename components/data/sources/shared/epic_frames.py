"""How the images of EPIC-KITCHENS and of VISOR are numbered, and which frame of a film an image is.

Images are numbered from 1. They were extracted at 60 a second from the films of the first release (`P01_01`) and at 50
from those of the extension (`P01_101`), whatever the rate of the film: most of the first release has 59.94 frames a
second, some films have 29.97, 47.95 or 90 (epic-kitchens/VISOR-FrameExtraction generate_dense_frames.py and
frames_to_timestamps.json; EPIC_100_video_info.csv). Image n is thus the one at (n - 1) / 60 s; taken for a frame of a
film of 59.94 it would be off by a second after 17 minutes. That holds for 50,609 of the 50,729 images of VISOR whose
times its authors give; the other 120 are all those of one video, LATE_IMAGES.
"""

from __future__ import annotations

import math
import re

EPIC = "epic100"  # the source whose videos VISOR annotates
LATE_IMAGES = {"P02_02": 1}  # by how much VISOR's numbers are too high, by frames_to_timestamps.json
_FIRST_RELEASE = re.compile(r"P[0-9]{2}_[0-9]{2}")
IMAGE_NUMBER = re.compile(r"frame_([0-9]{1,12})\.jpg$")


def images_per_s(video_id: str) -> float:
    """Return how many images a second were extracted from a video.

    >>> images_per_s("P01_01"), images_per_s("P01_101")
    (60.0, 50.0)
    """
    return 60.0 if _FIRST_RELEASE.fullmatch(video_id) else 50.0


def film_frame(image_number: int, *, per_s: float, fps: float) -> int:
    """Return the index of the frame of a film that an image shows.

    ffmpeg fills each place of the new rate with the frame that is shown just before the middle of that place.

    Args:
        image_number: from 1.
        per_s: images a second.
        fps: frames a second of the film.

    >>> film_frame(1001, per_s=50.0, fps=50.0), film_frame(60_001, per_s=60.0, fps=60_000 / 1001)
    (1000, 59940)
    """
    # the tolerance keeps a frame that begins at the very middle out, whatever the rounding
    return math.ceil((image_number - 0.5) / per_s * fps - 1e-6) - 1
