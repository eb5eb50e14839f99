"""The frames of a film that a question is shown: as many, and from where, as the data shows for such a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components import video
from components.params import Data


@dataclass(frozen=True)
class Film:
    """What is shown of a film, a picture or a folder of images, in the place of a frame store.

    Attributes:
        path: of the file or folder.
        shown: the frames, uint8 [T, H, W, 3], RGB, at the size of the sampling contract.
        frame_kind: "image", "clip" or "window" (`frames` of params/data.yaml).
        indices: numbers of the frames in the film, int64 [T].
        times_s: their times in the film, float [T].
        start_s: of the part that is shown, seconds of the film.
        end_s: its end, exclusive.
    """

    path: Path
    shown: np.ndarray
    frame_kind: str
    indices: np.ndarray
    times_s: np.ndarray
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Seconds of the part that is shown."""
        return self.end_s - self.start_s

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames, uint8 [T, H, W, 3], RGB, whichever sample or view is asked for."""
        return self.shown


def read(path: Path, data: Data, *, target_kind: str, start_s: float | None = None, end_s: float | None = None) -> Film:
    """Sample frames by the rule of the data step `frames`, as many as its samples of such a question have.

    A question for a box is shown the frame in the middle of the part, one for an interval a window; any other one a
    window where the part is long enough for a long-term question, and else a clip. A picture is one frame.

    Args:
        path: video file, picture, or folder of images.
        data: `frames` and `egore.long_min_s`.
        target_kind: what kind of answer is wanted, "text", "box" or "span".
        start_s: of the part that is asked about, seconds of the film; None: from its beginning.
        end_s: its end, exclusive; None: to the end of the film.

    Raises:
        ValueError: the film cannot be read, has no such part, or is a picture and the question asks when.
    """
    try:
        probe = video.probe(path)
        from_s, to_s = _part(path, probe, start_s, end_s)
        if probe.frames == 1 and target_kind == "span":
            raise ValueError(f"{path} is one picture, in which nothing has a time; ask about a film, or ask where")
        rate = {"fps": probe.fps, "total_frames": probe.index_count}
        if probe.frames == 1 or target_kind == "box":
            [index] = video.sample_frame_indices(from_s, to_s, n_frames=1, **rate)
            # a sample of the data that shows one frame is as long as that frame
            from_s, to_s = index / probe.fps, (index + 1) / probe.fps
            kind = "image"
        else:
            kind = "window" if target_kind == "span" or to_s - from_s >= data.egore.long_min_s else "clip"
        frames = data.frames
        count = {"image": frames.image_frames, "clip": frames.clip_frames, "window": frames.window_frames}[kind]
        indices = video.sample_frame_indices(from_s, to_s, n_frames=count, **rate)
        frames_THWC = video.decode(path, indices, size_px=frames.size_px)
    except video.VideoError as error:
        raise ValueError(str(error)) from error
    return Film(path, frames_THWC, kind, indices, indices / probe.fps, from_s, to_s)


def below(root: Path, relative: str) -> Path:
    """Return the path of a film that somebody names below a folder.

    Raises:
        ValueError: it leaves the folder, or no file can have such a name.
    """
    try:
        return video.inside(root, relative)
    except video.VideoError as error:
        raise ValueError(str(error)) from error


def _part(path: Path, probe: video.Probe, start_s: float | None, end_s: float | None) -> tuple[float, float]:
    from_s, to_s = start_s or 0.0, probe.duration_s if end_s is None else end_s
    if not 0 <= from_s < to_s <= probe.duration_s + 1 / probe.fps:  # who says 16 s means one of 15.97 s as well
        raise ValueError(
            f"{path}: the part from {from_s:g} to {to_s:g} s came, allowed are parts of its {probe.duration_s:g} s"
        )
    return from_s, min(to_s, probe.duration_s)
