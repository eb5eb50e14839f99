"""Frame sampling for many samples at once: which frames of which videos they see. A frame is one number.

Frame `index` of video number `video` (the videos sorted by id) is the number `video << 32 | index`: sorted numbers are
the frames video after video, and the row of a frame in the shards is its rank among all that are sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records, video
from components.params import Frames

STREAMS = ("media", "paired")  # the spans of `media` share the frames of a sample; each view of `paired` has as many
_BITS = 32
_MERGE_SIZE = 1_000_000  # numbers that wait before they are sorted into the rest


@dataclass(frozen=True)
class Videos:
    """Columns of the videos, sorted by id; `fps` and `total_frames` end with a zero, for -1, the number of no video."""

    ids: pa.Array
    sources: pa.Array
    paths: pa.Array
    fps: np.ndarray
    total_frames: np.ndarray

    @classmethod
    def of(cls, videos: pa.Table) -> Videos:
        """Read the columns from a table of `records.VIDEO`."""
        videos = videos.sort_by("video_id")
        fps = np.append(videos["fps"].to_numpy(), 0.0)
        total_frames = np.rint(np.append(videos["duration_s"].to_numpy(), 0.0) * fps).astype(np.int64)
        return cls(*(videos[name].combine_chunks() for name in ("video_id", "source", "path")), fps, total_frames)


@dataclass(frozen=True)
class SampledFrames:
    """The frames of some samples: a line for each sample and stream, by sample and then by stream.

    Attributes:
        samples: number of the sample, [lines].
        streams: number in STREAMS, [lines].
        offsets: where the frames of each line begin in `frames`, and where the last end, [lines + 1].
        frames: numbers of frames, int64 [frames].
    """

    samples: np.ndarray
    streams: np.ndarray
    offsets: np.ndarray
    frames: np.ndarray

    def without(self, bad: np.ndarray) -> SampledFrames:
        """Return the lines of all samples but those that `bad` marks; bool [samples]."""
        kept, n_frames = ~bad[self.samples], np.diff(self.offsets)
        offsets = np.append(0, np.cumsum(n_frames[kept]))
        return SampledFrames(self.samples[kept], self.streams[kept], offsets, self.frames[np.repeat(kept, n_frames)])


def split_evenly(total: np.ndarray, parts: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Split numbers of frames evenly into parts and return the size of one part of each; the first are the larger ones.

    Args:
        total: frames to split, int [N].
        parts: how many parts, int [N].
        part: which of them, from 0, int [N].

    >>> split_evenly(np.array([32, 32, 32]), np.array([3, 3, 3]), np.array([0, 1, 2])).tolist()
    [11, 11, 10]
    """
    return total // parts + (part < total % parts)


def sample_frames(samples: pa.RecordBatch, videos: Videos, frames: Frames) -> tuple[SampledFrames, list[dict]]:
    """Sample the frames of every stream of some samples, evenly over the spans of `media` and of each exo view.

    Args:
        samples: columns `sample_id`, `frame_kind` and STREAMS of `records.SAMPLE`.
        videos: all videos.
        frames: how many frames a sample of each kind has.

    Returns:
        The frames; and the rejects: samples of which no frames can be sampled.
    """
    totals = {"image": frames.image_frames, "clip": frames.clip_frames, "window": frames.window_frames}
    kind = pc.index_in(samples["frame_kind"], pa.array(list(totals))).fill_null(len(totals)).to_numpy()
    n_frames = np.array([*totals.values(), 0])[kind]
    # the spans of both streams, line after line: line 2 * sample + stream
    lengths = np.stack([pc.list_value_length(samples[name]).fill_null(0).to_numpy() for name in STREAMS], axis=1)
    lines = [np.repeat(np.arange(len(samples)) * 2 + number, of) for number, of in enumerate(lengths.T)]
    order = np.argsort(np.concatenate(lines), kind="stable")
    line = np.concatenate(lines)[order]
    spans = pa.concat_arrays([samples[name].flatten() for name in STREAMS]).take(pa.array(order))
    video_number = pc.index_in(spans.field("video_id"), videos.ids).fill_null(-1).to_numpy()
    start_s, end_s = (spans.field(name).to_numpy(zero_copy_only=False) for name in ("start_s", "end_s"))
    fps, total_frames = videos.fps[video_number], videos.total_frames[video_number]
    total, parts = n_frames[line // 2], np.where(line % 2, 1, lengths.ravel()[line])
    good = (parts <= total) & video.span_allowed(start_s, end_s, fps=fps, total_frames=total_frames)
    reasons = np.select([n_frames == 0, lengths[:, 0] == 0], ["unknown_frame_kind", "no_media"], "").astype(object)
    wrong = line[~good] // 2
    reasons[wrong] = np.where(reasons[wrong] == "", "bad_span", reasons[wrong])
    rejects = [_reject(samples, row, reasons[row], videos, n_frames[row]) for row in np.flatnonzero(reasons != "")]
    used = reasons[line // 2] == ""
    part = np.where(line % 2, 0, np.arange(len(line)) - (np.cumsum(lengths) - lengths.ravel())[line])
    counts = split_evenly(total, parts, part)[used]
    indices = video.frames_of_spans(start_s[used], end_s[used], fps[used], counts, total_frames[used])
    lines, first = np.unique(line[used], return_index=True)
    numbers = np.repeat(video_number[used].astype(np.int64), counts) << _BITS | indices
    offsets = np.append(0, np.cumsum(counts))[np.append(first, len(counts))]
    return SampledFrames(lines // 2, lines % 2, offsets, numbers), rejects


def _reject(samples: pa.RecordBatch, row: int, reason: str, videos: Videos, n_frames: int) -> dict:
    sample = samples.slice(row, 1).to_pylist()[0]
    details = {"unknown_frame_kind": lambda: sample["frame_kind"], "no_media": lambda: ""}
    media, paired = (sample[name] or [] for name in STREAMS)
    detail = details.get(reason, lambda: _too_many(media, int(n_frames)) or _fault([*media, *paired], videos))()
    return {"step": "frames", "row_id": sample["sample_id"], "reason": reason, "detail": str(detail)}


def _too_many(media: list[dict], n_frames: int) -> str:
    fault = f"{len(media)} spans for {n_frames} frames: allowed is at least one frame for each span"
    return fault if len(media) > n_frames else ""


def _fault(spans: list[dict], videos: Videos) -> str:
    """Say what is wrong with a span, if with any."""
    for span in spans:
        number = pc.index(videos.ids, span["video_id"]).as_py()
        if number < 0:
            return f"video {span['video_id']} is in none of the tables {records.VIDEOS}"
        fps, total_frames = videos.fps[number], int(videos.total_frames[number])
        try:
            times = [float("nan") if span[name] is None else span[name] for name in ("start_s", "end_s")]
            video.sample_frame_indices(*times, fps=fps, n_frames=1, total_frames=total_frames)
        except ValueError as error:
            return str(error)
    return ""


def distinct_frames(sampled: Iterable[SampledFrames]) -> np.ndarray:
    """Return every frame that any sample needs once, sorted; memory grows with these alone."""
    merged, waiting, count = np.empty(0, np.int64), [], 0
    for each in sampled:
        waiting.append(np.unique(each.frames))
        count += len(waiting[-1])
        # what waits is let grow with the rest, or every batch would sort all frames again
        if count > max(_MERGE_SIZE, len(merged)):
            merged, waiting, count = np.unique(np.concatenate([merged, *waiting])), [], 0
    return np.unique(np.concatenate([merged, *waiting]))


def video_of(frames: np.ndarray) -> np.ndarray:
    """Return the number of the video of each frame."""
    return frames >> _BITS


def index_in_video(frames: np.ndarray) -> np.ndarray:
    """Return the index of each frame in its video."""
    return frames & (1 << _BITS) - 1
