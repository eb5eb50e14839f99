"""Reading video files: probing and decoding (decord, PyAV behind it).

A folder of images is a video too (components/video/image_folder.py).
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from components.video import image_folder

log = logging.getLogger(__name__)

UNEVEN_S = 0.1  # or a frame, where that is longer: how far a frame may lie from its place at a constant rate
DECODED_AT_ONCE = 64  # frames of full size that are held: all that are wanted of a long film would not fit into memory
_DECORD_TIME = re.compile(r"\[[0-9:]{8}\] ")


class VideoError(Exception):
    """A video cannot be read.

    Attributes:
        path: of the video; absolute paths are for messages to a person.
        cause: what is wrong, without the path and the time of day: tables must be equal in every folder and run.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, cause)  # as `args`, so that the error can be pickled from a worker process
        self.path, self.cause = path, cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class PathError(VideoError):
    """A path of a dataset leaves the dataset's root."""


class Probe(NamedTuple):
    """What the container says of its video stream."""

    duration_s: float
    fps: float
    frames: int


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


def probe(path: Path) -> Probe:
    """Read length and frame rate from the container, without decoding.

    Raises:
        VideoError: the file is missing, is no video, says nothing of its length or rate, or has no constant rate.
    """
    import av

    if path.is_dir():
        count = len(image_folder.files(path))
        if count == 0:
            raise VideoError(path, "the folder holds no image")
        return Probe(count / image_folder.FPS, image_folder.FPS, count)
    try:
        # titles are not read, and need not be UTF-8
        with av.open(str(path), metadata_errors="replace") as container:
            stream = next(iter(container.streams.video), None)
            if stream is None or not stream.average_rate:
                raise VideoError(path, "holds no video stream")
            fps = float(stream.average_rate)
            duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
            if not duration_s and container.duration:  # WebM gives no length of a stream, only its own
                duration_s = container.duration / av.time_base
            frames = stream.frames or round(duration_s * fps)
            uneven_s = _uneven_s(stream, fps)
    except av.FFmpegError as error:
        raise VideoError(path, f"cannot be opened: {error.strerror}") from error
    if frames < 1:
        raise VideoError(path, "the container gives no length")
    if uneven_s > max(UNEVEN_S, 1 / fps):
        raise VideoError(
            path,
            f"variable frame rate: a frame lies {uneven_s:.2f} s from its place at {fps:g}/s, allowed is "
            f"{max(UNEVEN_S, 1 / fps):g} s; convert it to a constant rate (`ffmpeg -i IN -fps_mode cfr OUT`)",
        )
    return Probe(frames / fps, fps, frames)


def _uneven_s(stream: Any, fps: float) -> float:
    """Return how many seconds the worst frame is off its place at a constant rate; 0 if not all are listed."""
    ticks = np.array([entry.timestamp for entry in stream.index_entries], dtype=np.float64)
    if len(ticks) == 0 or len(ticks) != stream.frames:
        return 0.0
    return float(np.abs((ticks - ticks[0]) * float(stream.time_base) - np.arange(len(ticks)) / fps).max())


def decode(path: Path, indices: np.ndarray, *, size_px: int) -> np.ndarray:
    """Decode chosen frames and resize them (by area) to a square.

    decord reads; where it fails, PyAV tries, and the reason is logged.

    Args:
        path: a video file or a folder of images.
        indices: int array [T], any order, repeats allowed.
        size_px: side of the square result; the aspect is not kept, so percent boxes stay right.

    Returns:
        uint8 array [T, size_px, size_px, 3], RGB.

    Raises:
        VideoError: no decoder reads it, or it holds fewer frames than asked (names path, decoder and cause).
    """
    wanted, back = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
    if Path(path).is_dir():
        return _decode_folder(Path(path), wanted, size_px)[back]
    if not Path(path).is_file():
        raise VideoError(path, "no such file")
    try:
        frames = _decode_decord(path, wanted, size_px)
    except VideoError as first:
        log.warning("decord failed, PyAV tries: %s", first)
        try:
            frames = _decode_av(path, wanted, size_px)
        except VideoError as second:
            raise VideoError(path, f"{second.cause}; before it, {first.cause}") from second
    return frames[back]


def _decode_folder(path: Path, wanted: np.ndarray, size_px: int) -> np.ndarray:
    try:
        frames = image_folder.read(path, wanted)
    except OSError as error:
        raise VideoError(path, error.strerror or str(error)) from error
    return np.concatenate([_resize(frame[None], size_px) for frame in frames])


def _decode_decord(path: Path, wanted: np.ndarray, size_px: int) -> np.ndarray:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        _check_length(path, wanted, len(reader))
        # corruption may surface only here, after the length was read
        parts = (wanted[start : start + DECODED_AT_ONCE] for start in range(0, len(wanted), DECODED_AT_ONCE))
        return np.concatenate([_resize(reader.get_batch(part).asnumpy(), size_px) for part in parts])
    except (RuntimeError, decord.DECORDError) as error:  # DECORDError is not a RuntimeError
        raise VideoError(path, f"decord: {_cause(str(error), path)}") from error


def _cause(message: str, path: Path) -> str:
    """Return decord's message without the video's path and the time of day that stands before each line of its code."""
    return " ".join(_DECORD_TIME.sub("", message.replace(str(path), path.name)).split())[:300]


def _decode_av(path: Path, wanted: np.ndarray, size_px: int) -> np.ndarray:
    import av

    needed = set(wanted.tolist())
    frames: list[np.ndarray] = []
    count = 0
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            for count, frame in enumerate(container.decode(video=0), start=1):
                if count - 1 in needed:
                    frames.append(_resize(frame.to_ndarray(format="rgb24")[None], size_px))
                if len(frames) == len(wanted):
                    break
    except av.FFmpegError as error:
        raise VideoError(path, f"PyAV: {error.strerror}") from error
    except IndexError as error:
        raise VideoError(path, "PyAV: holds no video stream") from error
    if len(frames) < len(wanted):
        _check_length(path, wanted, count)
    return np.concatenate(frames)


def _check_length(path: Path, wanted: np.ndarray, frames: int) -> None:
    if wanted[-1] >= frames or wanted[0] < 0:
        raise VideoError(path, f"frames {wanted[0]} to {wanted[-1]} are asked, the video holds {frames}")


def _resize(frames: np.ndarray, size_px: int) -> np.ndarray:
    import cv2

    if frames.shape[1:3] == (size_px, size_px):
        return frames
    return np.stack([cv2.resize(frame, (size_px, size_px), interpolation=cv2.INTER_AREA) for frame in frames])
