"""Reading video files: probing and decoding.

A folder of images is a video too (components/video/image_folder.py), and so is a single image (image_file.py).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.video import image_file, image_folder
from components.video.decoders import by_decord, by_pyav, resize
from components.video.errors import PathError, VideoError
from components.video.timeline import read_timeline

SLOWEST_BYTES_PER_S = 20_000_000  # of a disk that many machines share
log = logging.getLogger(__name__)


class Probe(NamedTuple):
    """What the container says of its video stream.

    Attributes:
        duration_s: from the first frame that is shown to the end of the last.
        fps: frames a second; where the rate varies, cells a second of the grid on which every frame begins.
        frames: that are shown.
    """

    duration_s: float
    fps: float
    frames: int

    @property
    def index_count(self) -> int:
        """How many indices `decode` takes: as many as frames, or as cells of the grid where the rate varies."""
        return round(self.duration_s * self.fps)


def inside(root: Path, relative: str) -> Path:
    """Join a path that a dataset names to the dataset's root.

    Raises:
        PathError: it is absolute or leaves the root.
        VideoError: no file can have that path (links in a circle, a name too long, a NUL byte).
    """
    try:
        joined = (root / relative).resolve()
        joined.is_file()  # not every bad name shows before the file system is asked
    except RuntimeError as error:
        raise VideoError(root / relative, "its links run in a circle") from error
    except ValueError as error:
        raise VideoError(root, f"no file can have the path {relative[:200]!r}: {error}") from error
    except OSError as error:
        raise VideoError(root, f"no file can have the path {relative[:200]!r}: {error.strerror}") from error
    if not joined.is_relative_to(root.resolve()):
        raise PathError(root, f"path {relative!r} leaves its root; allowed are relative paths below it")
    return joined


def longest_read_s(path: Path) -> float:
    """Return how long a slow disk may take to read a file whole, as probing does; seconds. A film of an hour has 10 GB.

    A file that is not there takes no time.
    """
    try:
        return os.stat(path).st_size / SLOWEST_BYTES_PER_S
    except OSError:
        return 0.0


def probe(path: Path, fps: float | None = None) -> Probe:
    """Read length and frame rate from the container, without decoding more than a frame.

    Args:
        path: a video file, an image or a folder of images.
        fps: images a second of a folder, where its source tells the rate: its images are numbered one after the other,
            and index i is the image shown from i / fps on. A film has a rate of its own.

    Raises:
        NumberingError: `fps` is given, and an image is missing in the folder.
        VideoError: the file is missing, is no video, or has no frame that is shown.
    """
    if path.is_dir():
        images = image_folder.files(path)
        if not images:
            raise VideoError(path, "the folder holds no image")
        if fps is None:
            fps = image_folder.FPS
        else:
            image_folder.check_numbering(path, images)
        return Probe(len(images) / fps, fps, len(images))
    if image_file.is_image(path):
        _read_image(path)  # whether it is whole shows only now
        return Probe(1 / image_file.FPS, image_file.FPS, 1)
    timeline = read_timeline(path)
    return Probe(timeline.end_s, timeline.fps, len(timeline.times_s))


def frame_size_px(path: Path) -> tuple[int, int]:
    """Read width and height of a film's upright frames, or of a folder's first image; `decode` makes squares of them.

    Raises:
        VideoError: as `probe`.
    """
    if path.is_dir():
        height, width = _read_images(path, np.array([0]))[0].shape[:2]
        return width, height
    return read_timeline(path).size_px


def decode(path: Path, indices: np.ndarray, *, size_px: int) -> np.ndarray:
    """Decode chosen frames, turn them upright and resize them (by area) to a square.

    decord reads where the film's packets prove that it is exact (components/video/timeline.py). PyAV reads elsewhere,
    and where decord fails; the reason is logged.

    Args:
        path: a video file, an image or a folder of images.
        indices: int array [T], any order, repeats allowed; at `Probe.fps` a second. Of a folder they count its images.
        size_px: side of the square result; the aspect is not kept, so percent boxes stay right.

    Returns:
        uint8 array [T, size_px, size_px, 3], RGB.

    Raises:
        VideoError: no decoder reads it, or it holds fewer frames than asked (names path, decoder and cause).
    """
    wanted, back = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
    path = Path(path)
    if path.is_dir():
        return np.concatenate([resize(frame[None], size_px) for frame in _read_images(path, wanted)])[back]
    if not path.is_file():
        raise VideoError(path, "no such file")
    if image_file.is_image(path):
        if wanted[0] != 0 or wanted[-1] != 0:
            raise VideoError(path, f"frames {wanted[0]} to {wanted[-1]} are asked, an image has frame 0 alone")
        return resize(_read_image(path)[None], size_px)[back]
    timeline = read_timeline(path)
    count = round(timeline.end_s * timeline.fps)
    if wanted[0] < 0 or wanted[-1] >= count:
        raise VideoError(path, f"frames {wanted[0]} to {wanted[-1]} are asked, the video holds {count}")
    shown, of_wanted = np.unique(timeline.frames_at(wanted), return_inverse=True)
    if not timeline.is_exact_by_decord:
        return by_pyav(path, shown, timeline, size_px=size_px)[of_wanted][back]
    try:
        frames = by_decord(path, shown, timeline, size_px=size_px)
    except VideoError as first:
        log.warning("decord failed, PyAV tries: %s", first)
        try:
            frames = by_pyav(path, shown, timeline, size_px=size_px)
        except VideoError as second:
            raise VideoError(path, f"{second.cause}; before it, {first.cause}") from second
    return frames[of_wanted][back]


def _read_images(folder: Path, wanted: np.ndarray) -> list[np.ndarray]:
    try:
        return image_folder.read(folder, wanted)
    except OSError as error:
        raise VideoError(folder, error.strerror or str(error)) from error


def _read_image(path: Path) -> np.ndarray:
    try:
        return image_file.read(path)
    except OSError as error:
        raise VideoError(path, error.strerror or str(error)) from error
