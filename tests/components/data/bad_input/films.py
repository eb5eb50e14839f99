"""Films that are none, cannot be read, or lie where they should not."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.components.data.bad_input.case import Case, Spoil, narrated, path_of_cam01

SIZE_PX, FPS = 96, 8
HANGS, CRASHES = "hangs.mp4", "crashes.mp4"  # films that `running.Inline` sends to a worker which does so
UNREADABLE = {"egoexo4d/unreadable_video": 1}
OUTSIDE = {"egoexo4d/path_outside_root": 1}
MISSING = {"egoexo4d/file_missing": 1}


def cam01(folder: Path) -> Path:
    """Give the film of the first exo camera of the first narrated training take, gone from its place."""
    path = folder / "raw/egoexo4d" / narrated(folder)["root_dir"] / "frame_aligned_videos/cam01.mp4"
    path.rename(path.with_suffix(".good"))
    return path


def good(path: Path) -> Path:
    return path.with_suffix(".good")


def cut(folder: Path) -> None:
    path = cam01(folder)
    path.write_bytes(good(path).read_bytes()[:-2000])  # the index stands at the end


def audio_only(folder: Path) -> None:
    with av.open(str(cam01(folder)), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for at in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, at * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def film(path: Path, times_ms: list[int], *, title: str = "") -> None:
    """Write frames at the given times, the index before them."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        container.metadata["title"] = title
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "0"})
        stream.width = stream.height = SIZE_PX
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        rng = np.random.default_rng(0)
        for time_ms in times_ms:
            noise = rng.integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


EVEN_MS = [125 * at for at in range(128)]
UNEVEN_MS = [50 * at for at in range(64)] + [3200 + 200 * at for at in range(64)]


def title_not_utf8(folder: Path) -> None:
    path = cam01(folder)
    film(path, EVEN_MS, title="kitchen XXXX")
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"\xff\xfe\xe9\xe8"))


def link_out(folder: Path) -> None:
    path = cam01(folder)
    elsewhere = folder / "elsewhere.mp4"
    good(path).rename(elsewhere)
    path.symlink_to(elsewhere)


def renamed(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        path = cam01(folder)
        good(path).rename(path.with_name(name))
        path_of_cam01(f"frame_aligned_videos/{name}")(folder)

    return spoil


CASES = [
    Case("film of zero bytes", lambda folder: cam01(folder).touch(), UNREADABLE),
    Case("film cut off", cut, UNREADABLE),
    Case("film that is text", lambda folder: cam01(folder).write_text("not a video\n" * 99), UNREADABLE),
    Case("film with sound only", audio_only, UNREADABLE),
    Case("film with a variable rate", lambda folder: film(cam01(folder), UNEVEN_MS)),
    Case("film with a title that is not UTF-8", title_not_utf8),
    Case("film that hangs its decoder", renamed(HANGS), UNREADABLE),
    Case("film that crashes its decoder", renamed(CRASHES), UNREADABLE),
    Case("film missing", lambda folder: cam01(folder), MISSING),
    Case("folder where a film belongs", lambda folder: cam01(folder).mkdir(), MISSING),
    Case("pipe where a film belongs", lambda folder: os.mkfifo(cam01(folder)), MISSING),
    Case("link out of the root", link_out, OUTSIDE),
    Case("links in a circle", lambda folder: (path := cam01(folder)).symlink_to(path), UNREADABLE),
    Case("path that goes up", path_of_cam01("../../../../secret.mp4"), OUTSIDE),
    Case("absolute path", path_of_cam01("/etc/passwd"), OUTSIDE),
    Case("path with a NUL byte", path_of_cam01("frame_aligned_videos/\x00.mp4"), MISSING),
    Case("path of 5000 characters", path_of_cam01("a" * 5000), UNREADABLE),
    Case("path that is a number", path_of_cam01(7), {"egoexo4d/bad_member": 1}),
    Case("path that is empty", path_of_cam01(""), MISSING),
]
