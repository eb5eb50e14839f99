"""When each frame of a film is shown, read from its packets without decoding them, and which reader is exact on it.

A container stores frames in decoding order. They are shown in the order of their presentation times; an edit list may
hide some, a film may begin at another time than 0, and its rate may vary. Index 0 is the first frame that is shown, at
0 s.

decord 0.6 is the fast reader. It gives other frames than asked, without an error, where frames are shown before a key
frame that precedes them in the file (open groups), where times are hidden, guessed or not constant, and in containers
without an index (findings/decord_random_access.sh). It is used where the packets prove that none of this holds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.video.errors import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

DECORD_CODECS = ("h264", "hevc")  # in mp4; what else decord can read was not proved exact
LARGEST_GRID = 1000  # cells a second: times of a variable rate are told apart to a millisecond
_CONSTANT_S = 0.0015  # how far a frame of a constant rate may lie from its place: Matroska rounds to milliseconds


@dataclass(frozen=True)
class Timeline:
    """The frames of a film in the order in which they are shown.

    Attributes:
        times_s: float64 [frames], when each is first shown; the first is at 0.
        end_s: when the last one ends.
        fps: frames per second; where the rate varies, cells per second of a grid on which every frame begins.
        is_constant: whether frame i begins at i / fps.
        pts: int64 [frames], the presentation time of each in ticks of the stream; None where the container's times are
            guessed, so that frames can only be counted from the start.
        key_pts: int64 [key frames], the presentation times of those from which decoding can begin, increasing.
        key_dts: int64 [key frames], their decoding times, by which containers find them.
        is_exact_by_decord: whether decord gives the frame that is asked for.
        rotation_deg: by how much a frame is turned counterclockwise to be upright.
        size_px: width and height of an upright frame.
    """

    times_s: np.ndarray
    end_s: float
    fps: float
    is_constant: bool
    pts: np.ndarray | None
    key_pts: np.ndarray
    key_dts: np.ndarray
    is_exact_by_decord: bool
    rotation_deg: int
    size_px: tuple[int, int]

    def frames_at(self, indices: np.ndarray) -> np.ndarray:
        """Return which frames some grid indices mean, int64 [T] each: frame i is index i at a constant rate."""
        if self.is_constant:
            return indices
        return np.searchsorted(self.times_s, indices / self.fps + 1e-6, side="right") - 1


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    ticks: int  # that it is shown
    is_key: bool


def read_timeline(path: Path) -> Timeline:
    """Read the timeline of a film; it is kept for the films that are read again while their file stays the same.

    Raises:
        VideoError: the file cannot be opened, holds no video stream, or no frame that is shown.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise VideoError(path, f"cannot be opened: {error.strerror}") from error
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, _size: int, _mtime_ns: int) -> Timeline:
    import av

    try:
        # what a title holds is nothing to us, and need not be UTF-8
        with av.open(str(path), metadata_errors="replace") as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise VideoError(path, "holds no video stream")
            packets = [
                _Packet(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe)
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard
            ]
            if not packets:
                raise VideoError(path, "holds no frame that is shown")
            rotation_deg = _rotation_deg(container, stream)
            has_index = len(stream.index_entries) == len(packets)
            return _timeline(path, container.format.name, stream, packets, has_index, rotation_deg)
    except av.FFmpegError as error:
        raise VideoError(path, f"cannot be opened: {error.strerror}") from error


def _timeline(
    path: Path, container: str, stream: VideoStream, packets: list[_Packet], has_index: bool, rotation_deg: int
) -> Timeline:
    tick_s = stream.time_base
    if tick_s is None:
        raise VideoError(path, "the container has no unit of time")
    pts = [packet.pts for packet in packets if packet.pts is not None]
    # AVI stores no presentation times: with B-frames those that it gives are guessed
    if container == "avi" or len(pts) < len(packets) or len(set(pts)) < len(pts):
        return _counted(path, stream, len(packets), rotation_deg)
    order = np.array(sorted(pts), dtype=np.int64)
    times_s = (order - order[0]) * float(tick_s)
    last = max(packets, key=lambda packet: packet.pts or 0)
    ticks = last.ticks or (int(np.median(np.diff(order))) if len(order) > 1 else 0)
    rate = _constant_rate(times_s, stream)
    fps = float(rate) if rate else _grid_rate(np.diff(order), tick_s)
    end_s = len(order) / fps if rate else float(times_s[-1] + ticks * tick_s)
    keys = sorted((packet.pts, packet.dts or 0) for packet in packets if packet.is_key and packet.pts is not None)
    key_pts, key_dts = np.array(keys, np.int64).reshape(-1, 2).T
    is_exact = (
        rate is not None
        and "mp4" in container.split(",")
        and has_index
        and stream.codec_context.name in DECORD_CODECS
        and order[0] == 0
        and rotation_deg == 0
        and _groups_are_closed(packets)
    )
    return Timeline(
        times_s,
        end_s,
        fps,
        rate is not None,
        order,
        key_pts,
        key_dts,
        is_exact,
        rotation_deg,
        _size_px(stream, rotation_deg),
    )


def _counted(path: Path, stream: VideoStream, frames: int, rotation_deg: int) -> Timeline:
    """Return the timeline of a film whose frames can only be counted."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise VideoError(path, "the container gives neither times nor a rate")
    fps = float(rate)
    times_s = np.arange(frames) / fps
    no_keys = np.empty(0, np.int64)
    return Timeline(
        times_s, frames / fps, fps, True, None, no_keys, no_keys, False, rotation_deg, _size_px(stream, rotation_deg)
    )


def _constant_rate(times_s: np.ndarray, stream: VideoStream) -> Fraction | None:
    """Return the rate at which every frame lies in its place; None where there is no such rate."""
    measured = Fraction((len(times_s) - 1) / times_s[-1]).limit_denominator(1001) if len(times_s) > 1 else None
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate, measured):
        if rate and np.abs(times_s - np.arange(len(times_s)) / float(rate)).max() <= _CONSTANT_S:
            return rate
    return None


def _grid_rate(gaps_ticks: Sequence[int] | np.ndarray, tick_s: Fraction) -> float:
    """Return the cells per second of the coarsest grid on which every frame begins, LARGEST_GRID at most."""
    step_s = int(np.gcd.reduce(gaps_ticks)) * tick_s
    return float(min(1 / step_s, LARGEST_GRID))


def _groups_are_closed(packets: list[_Packet]) -> bool:
    """Return whether every frame before a key frame in the file is shown before it, and every one after it later."""
    pts = np.array([packet.pts for packet in packets], dtype=np.int64)
    before = np.maximum.accumulate(pts)  # latest time up to a packet
    after = np.minimum.accumulate(pts[::-1])[::-1]  # earliest time from a packet on
    keys = np.flatnonzero([packet.is_key for packet in packets])
    return bool(len(keys) and keys[0] == 0 and (before[keys] == pts[keys]).all() and (after[keys] == pts[keys]).all())


def _size_px(stream: VideoStream, rotation_deg: int) -> tuple[int, int]:
    width, height = stream.codec_context.width, stream.codec_context.height
    return (height, width) if rotation_deg % 180 else (width, height)


def _rotation_deg(container: InputContainer, stream: VideoStream) -> int:
    """Return by how many degrees counterclockwise the first frame is to be turned; 0 where it cannot be decoded."""
    import av

    container.seek(0, stream=stream)
    try:
        return next(iter(container.decode(stream))).rotation % 360
    except (av.FFmpegError, StopIteration):
        return 0  # whoever decodes the film will say what is wrong with it
