"""Films in every codec and container that the field ships, with the number of each frame drawn into it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

FRAMES, SIDE_PX, BITS, RATE = 48, 64, 6, 30
LONGEST = 3  # of a variable rate: how many thirtieths of a second a frame is shown at most
ENCODERS = {
    "h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "mpeg4": "mpeg4",
    "mpeg2": "mpeg2video",
}  # fmt: skip
FORMATS = {  # container -> its muxer, its ending, the codecs that may lie in it
    "mp4": ("mp4", ".mp4", set(ENCODERS)),
    "fragmented mp4": ("mp4", ".mp4", set(ENCODERS) - {"mpeg2"}),
    "mkv": ("matroska", ".mkv", set(ENCODERS)),
    "webm": ("webm", ".webm", {"vp9", "av1"}),
    "ts": ("mpegts", ".ts", {"h264", "hevc", "mpeg4", "mpeg2"}),
    "avi": ("avi", ".avi", {"h264", "mpeg4", "mpeg2"}),
}
TURNS = {"mp4", "fragmented mp4", "mkv"}  # containers that can say that a film is turned


class Kind(NamedTuple):
    codec: str
    container: str
    groups: str  # "closed" | "open" | "one": a single key frame
    has_b_frames: bool
    is_constant: bool
    start_s: int
    rotation_deg: int


def kinds() -> Iterator[Kind]:
    """Yield every combination that the containers allow."""
    choices = (ENCODERS, FORMATS, ("closed", "open", "one"), (False, True), (True, False), (0, 1), (0, 90))
    for kind in itertools.starmap(Kind, itertools.product(*choices)):
        is_timed = kind.is_constant or kind.container != "avi"  # AVI has one rate for all frames
        is_turned = kind.rotation_deg == 0 or kind.container in TURNS
        if kind.codec in FORMATS[kind.container][2] and is_timed and is_turned:
            yield kind


def times(kind: Kind) -> list[Fraction]:
    """When each frame is shown, seconds from the first."""
    gaps = np.ones(FRAMES) if kind.is_constant else np.random.default_rng(3).choice([1, 1, 1, 2, LONGEST], FRAMES)
    return [Fraction(int(ticks), RATE) for ticks in np.cumsum([0, *gaps])]


def _options(kind: Kind) -> dict[str, str]:
    group, b_frames = {"closed": 12, "open": 12, "one": 1000}[kind.groups], 2 * kind.has_b_frames
    is_open = int(kind.groups == "open")
    of_x26 = f"keyint={group}:min-keyint={min(group, 12)}:scenecut=0:bframes={b_frames}:open-gop={is_open}"
    match kind.codec:
        case "h264":
            return {"preset": "veryfast", "x264-params": of_x26}
        case "hevc":
            return {"preset": "ultrafast", "x265-params": f"log-level=none:{of_x26}"}
        case "vp9":
            return {"g": str(group), "deadline": "realtime", "cpu-used": "8", "lag-in-frames": str(5 * b_frames)}
        case "av1":
            return {
                "g": str(group),
                "preset": "8",
                "crf": "5",
                "svtav1-params": f"irefresh-type={2 - is_open}",
            }
    closed = {"flags": "+cgop"} if kind.groups == "closed" else {}
    return {"g": str(group), "bf": str(b_frames), "q:v": "3", "sc_threshold": "1000000000", **closed}


def image_of(number: int) -> np.ndarray:
    """Draw a number as black and white columns: uint8 [H, W, 3]."""
    image = np.full((SIDE_PX, SIDE_PX, 3), 30, np.uint8)
    for bit in range(BITS):
        image[8:56, bit * 10 + 2 : bit * 10 + 12] = 230 if number >> bit & 1 else 30
    return image


def number_in(image: np.ndarray) -> int:
    """Read the number back."""
    columns = image[8:56].mean(axis=(0, 2))
    return sum(int(columns[bit * 10 + 4 : bit * 10 + 10].mean() > 127) << bit for bit in range(BITS))


def write(folder: Path, kind: Kind, *, width_px: int = SIDE_PX) -> Path:
    """Write the film of a kind into a folder."""
    muxer, ending, _ = FORMATS[kind.container]
    path = folder / f"film{ending}"
    options = {"movflags": "frag_keyframe+empty_moov"} if kind.container == "fragmented mp4" else {}
    with av.open(str(path), "w", format=muxer, options=options) as container:
        stream = container.add_stream(ENCODERS[kind.codec], rate=RATE, options=_options(kind))
        stream.width, stream.height = width_px, SIDE_PX
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, RATE)
        if kind.rotation_deg:
            stream.set_display_rotation(kind.rotation_deg)
        for number, time_s in enumerate(times(kind)[:FRAMES]):
            image = np.pad(image_of(number), ((0, 0), (0, width_px - SIDE_PX), (0, 0)))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = int((time_s + kind.start_s) * RATE), Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def hide_beginning(path: Path, cut: Path, *, frames: int) -> None:
    """Copy an mp4 without re-encoding, its first frames hidden by an edit list."""
    with (
        av.open(str(path)) as source,
        av.open(str(cut), "w", options={"avoid_negative_ts": "disabled"}) as target,
    ):
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        ticks = int(frames / RATE / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, copied
                target.mux(packet)
