"""The two readers of films: decord, fast where it is exact, and PyAV, exact everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.video.errors import VideoError
from components.video.timeline import Timeline

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

DECODED_AT_ONCE = 64  # frames of full size that are held: all that are wanted of a long film would not fit into memory
_DECORD_TIME = re.compile(r"\[[0-9:]{8}\] ")


def by_decord(path: Path, wanted: np.ndarray, timeline: Timeline, *, size_px: int) -> np.ndarray:
    """Decode frames by decord, which is exact only where `timeline.is_exact_by_decord`.

    Args:
        path: the film.
        wanted: int64 [T], frames in the order shown, increasing.
        timeline: of the film.
        size_px: side of the square result.

    Returns:
        uint8 array [T, size_px, size_px, 3], RGB.

    Raises:
        VideoError: decord cannot read it, or counts other frames than the container.
    """
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        if len(reader) != len(timeline.times_s):
            raise VideoError(path, f"decord: counts {len(reader)} frames, the container {len(timeline.times_s)}")
        # corruption may surface only here, after the length was read
        parts = (wanted[start : start + DECODED_AT_ONCE] for start in range(0, len(wanted), DECODED_AT_ONCE))
        return np.concatenate([resize(reader.get_batch(part).asnumpy(), size_px) for part in parts])
    except (RuntimeError, decord.DECORDError) as error:  # DECORDError is not a RuntimeError
        raise VideoError(path, f"decord: {_cause(str(error), path)}") from error


def by_pyav(path: Path, wanted: np.ndarray, timeline: Timeline, *, size_px: int) -> np.ndarray:
    """Decode frames by PyAV: from the key frame before each, or, where times are guessed, counted from the start.

    Args, Returns: as `by_decord`.

    Raises:
        VideoError: PyAV cannot read it, or a frame that the container lists does not come.
    """
    import av

    try:
        if timeline.pts is None:
            found = _counted(path, wanted)
        else:
            found = _sought(path, wanted, timeline.pts[wanted], timeline)
        frames = [_upright(frame, timeline.rotation_deg, size_px) for frame in found]
    except av.FFmpegError as error:
        raise VideoError(path, f"PyAV: {error.strerror}") from error
    if len(frames) < len(wanted):
        raise VideoError(path, f"PyAV: frame {wanted[len(frames)]} is listed by the container and cannot be decoded")
    return np.concatenate(frames)


def _counted(path: Path, wanted: np.ndarray) -> Iterator[VideoFrame]:
    """Yield frames by their number, decoding all from the start; ends early where the film does."""
    import av

    left = iter(wanted.tolist())
    target = next(left, None)
    with av.open(str(path), metadata_errors="replace") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == target:
                yield frame
                target = next(left, None)
            if target is None:
                return


def _sought(path: Path, wanted: np.ndarray, pts: np.ndarray, timeline: Timeline) -> Iterator[VideoFrame]:
    """Yield frames by their presentation times, from the key frame before each; ends where one does not come."""
    import av

    keys = np.maximum(np.searchsorted(timeline.key_pts, pts, side="right") - 1, 0)
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        decoded: Iterator[VideoFrame] = iter(())
        at = None  # key frame that `decoded` began at
        for number, (target, key) in enumerate(zip(pts.tolist(), keys.tolist(), strict=True)):
            if key != at:
                container.seek(int(timeline.key_dts[key]), stream=stream)
                decoded, at = container.decode(stream), key
            frame = _shown_at(target, decoded)
            if frame is None:
                # the container led beyond the key frame, as transport streams do: only counting is sure
                yield from _counted(path, wanted[number:])
                return
            yield frame


def _shown_at(pts: int, decoded: Iterator[VideoFrame]) -> VideoFrame | None:
    """Return the frame with this presentation time; None where it does not come."""
    for frame in decoded:
        if frame.pts is not None and frame.pts >= pts:
            return frame if frame.pts == pts else None
    return None


def _upright(frame: VideoFrame, rotation_deg: int, size_px: int) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    return resize(np.rot90(image, rotation_deg // 90)[None], size_px)


def _cause(message: str, path: Path) -> str:
    """Return decord's message without the video's path and the time of day that stands before each line of its code."""
    return " ".join(_DECORD_TIME.sub("", message.replace(str(path), path.name)).split())[:300]


def resize(frames: np.ndarray, size_px: int) -> np.ndarray:
    """Resize frames [T, H, W, 3] by area to squares."""
    import cv2

    if frames.shape[1:3] == (size_px, size_px):
        return frames
    return np.stack(
        [cv2.resize(np.ascontiguousarray(frame), (size_px, size_px), interpolation=cv2.INTER_AREA) for frame in frames]
    )
