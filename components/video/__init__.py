"""Video files and folders of images: probing, sampling, decoding and writing; other packages import from here."""

from components.video.errors import NumberingError, PathError, VideoError
from components.video.frame_sampling import (
    contract,
    frames_of_spans,
    frames_within,
    middles,
    sample_frame_indices,
    span_allowed,
)
from components.video.reading import Probe, decode, frame_size_px, inside, longest_read_s, probe
from components.video.writing import write, write_images

__all__ = [
    "NumberingError",
    "PathError",
    "Probe",
    "VideoError",
    "contract",
    "decode",
    "frame_size_px",
    "frames_of_spans",
    "frames_within",
    "inside",
    "longest_read_s",
    "middles",
    "probe",
    "sample_frame_indices",
    "span_allowed",
    "write",
    "write_images",
]
