"""The frames of one video file or folder of images, as a sample of it would have them; no data graph is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components import video
from components.params import Data


class OneVideo:
    """The frames of one video in the place of a frame store.

    Attributes:
        frame_kind: "image", "clip" or "window" (params/data.yaml `frames`).
        indices: numbers of the frames in the video, int64 [T].
        times_s: their times, float [T].
        duration_s: length of the video, seconds.
    """

    def __init__(self, frames_THWC: np.ndarray, frame_kind: str, indices: np.ndarray, probe: video.Probe):
        self._frames_THWC = frames_THWC
        self.frame_kind, self.indices, self.times_s = frame_kind, indices, indices / probe.fps
        self.duration_s = probe.duration_s

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames, uint8 [T, H, W, 3], RGB, whichever sample or view is asked for."""
        return self._frames_THWC


def read(path: Path, data: Data) -> OneVideo:
    """Sample frames from a whole video by the rule of the stage `frames`.

    One frame is an image; a video that is long enough for a long-term question is a window, any other one a clip.

    Args:
        path: video file, or folder of images.
        data: `frames` and `egore.long_min_s`.

    Raises:
        ValueError: the video cannot be read; names the path and the cause.
    """
    frames = data.frames
    try:
        probe = video.probe(path)
        long_enough = probe.duration_s >= data.egore.long_min_s
        kind = "image" if probe.frames == 1 else "window" if long_enough else "clip"
        count = {"image": frames.image_frames, "clip": frames.clip_frames, "window": frames.window_frames}[kind]
        indices = video.sample_frame_indices(
            0.0, probe.duration_s, fps=probe.fps, n_frames=count, total_frames=probe.index_count
        )
        return OneVideo(video.decode(path, indices, size_px=frames.size_px), kind, indices, probe)
    except video.VideoError as error:
        raise ValueError(str(error)) from error
