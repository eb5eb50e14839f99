"""Writing videos: files, and folders of numbered images."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

# ultrafast and no B-frames: rendering should cost more than encoding
CODECS = {  # what a file is written with, by its ending
    ".mp4": ("libx264", {"crf": "16", "preset": "ultrafast", "bf": "0"}),
    # a positive cpu-used lets the encoder save effort when the machine is busy, and so write other bytes
    ".webm": ("libvpx", {"crf": "10", "deadline": "realtime", "cpu-used": "-4"}),
}


def write(path: Path, frames: Iterable[np.ndarray], *, fps: int | Fraction, size_px: int) -> None:
    """Encode square RGB frames as h264, or VP8 in a .webm; the same frames become the same bytes on the same machine.

    Args:
        path: the file; its ending, a key of CODECS, decides on the codec.
        frames: uint8 arrays [size_px, size_px, 3].
        fps: frames per second.
        size_px: side of the square frames.
    """
    import av
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    # a rename at the end: a killed run leaves no half file that looks whole
    partial = path.with_suffix(f".partial{path.suffix}")
    codec, options = CODECS[path.suffix.lower()]
    with av.open(str(partial), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        assert isinstance(stream, av.VideoStream), f"{codec} is no video codec; mend CODECS"
        stream.width = stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 8
        stream.thread_count = 1  # so that frames are repeatable
        # no copy of the pixels, but heights in steps of four only
        wrap = av.VideoFrame.from_ndarray if size_px % 4 else av.VideoFrame.from_numpy_buffer
        for frame in frames:
            # twice as fast as the encoder's own conversion
            yuv = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
            container.mux(stream.encode(wrap(yuv, format="yuv420p")))
        container.mux(stream.encode(None))
    partial.rename(path)


def write_images(folder: Path, frames: Iterable[np.ndarray], *, name: str = "frame_{:010d}.jpg") -> None:
    """Write RGB frames as JPEGs numbered from 1.

    Args:
        folder: where they go.
        frames: uint8 arrays [H, W, 3].
        name: of a file, with its number to be filled in; as EPIC-KITCHENS has it by default.
    """
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, 1):
        path = folder / name.format(number)
        assert cv2.imwrite(str(path), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]), f"{path} was not written"
