"""Which frames the samples need, for many samples at once: a frame is one number.

The frame `index` of the video at `place` (the videos sorted by id) is the number `place << 32 | index`: sorted numbers
are the frames video after video, and the row of a frame in the shards is its rank among those that are needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records, video
from components.params import Frames

STREAMS = ("media", "paired")
_BITS = 32
_MERGED = 1_000_000  # numbers that wait before they are sorted into the rest


@dataclass(frozen=True)
class Films:
    """Columns of the videos, sorted by id; the two of numbers end with a zero, for the place -1 of no video."""

    ids: pa.Array
    sources: pa.Array
    paths: pa.Array
    fps: np.ndarray
    total_frames: np.ndarray

    @classmethod
    def of(cls, videos: pa.Table) -> Films:
        """Take what is needed from a table of `records.VIDEO`."""
        videos = videos.sort_by("video_id")
        fps = np.append(videos["fps"].to_numpy(), 0.0)
        total_frames = np.rint(np.append(videos["duration_s"].to_numpy(), 0.0) * fps).astype(np.int64)
        return cls(*(videos[name].combine_chunks() for name in ("video_id", "source", "path")), fps, total_frames)


@dataclass(frozen=True)
class Chosen:
    """Frames of some samples: a line for each sample and stream, in this order."""

    samples: np.ndarray  # [lines], number of the sample
    streams: np.ndarray  # [lines], number in STREAMS
    offsets: np.ndarray  # [lines + 1], where the frames of a line begin
    frames: np.ndarray

    def without(self, bad: np.ndarray) -> Chosen:
        """Leave out samples, by a mask over all of them."""
        kept, n_frames = ~bad[self.samples], np.diff(self.offsets)
        offsets = np.append(0, np.cumsum(n_frames[kept]))
        return Chosen(self.samples[kept], self.streams[kept], offsets, self.frames[np.repeat(kept, n_frames)])


def spread(total: np.ndarray, parts: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Split numbers of frames evenly, and give the size of one part each; the first parts get what is left over.

    >>> spread(np.array([32, 32, 32]), np.array([3, 3, 3]), np.array([0, 1, 2])).tolist()
    [11, 11, 10]
    """
    return total // parts + (part < total % parts)


def choose(samples: pa.RecordBatch, films: Films, frames: Frames) -> tuple[Chosen, list[dict]]:
    """Choose the frames of samples (columns `sample_id`, `frame_kind` and STREAMS of `records.SAMPLE`).

    Returns:
        The frames; and the rejects, which have none.
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
    place = pc.index_in(spans.field("video_id"), films.ids).fill_null(-1).to_numpy()
    start_s, end_s = (spans.field(name).to_numpy(zero_copy_only=False) for name in ("start_s", "end_s"))
    fps, total_frames = films.fps[place], films.total_frames[place]
    total, parts = n_frames[line // 2], lengths.ravel()[line]
    good = (parts <= total) & video.span_allowed(start_s, end_s, fps=fps, total_frames=total_frames)
    reasons = np.select([n_frames == 0, lengths[:, 0] == 0], ["unknown_frame_kind", "no_media"], "").astype(object)
    wrong = line[~good] // 2
    reasons[wrong] = np.where(reasons[wrong] == "", "bad_span", reasons[wrong])
    rejects = [_reject(samples, row, reasons[row], films, n_frames[row]) for row in np.flatnonzero(reasons != "")]
    used = reasons[line // 2] == ""
    part = np.arange(len(line)) - (np.cumsum(lengths) - lengths.ravel())[line]
    of_spans = (start_s, end_s, fps, spread(total, parts, part), total_frames)
    indices = video.frames_of_spans(*(values[used] for values in of_spans))
    lines = np.unique(line[used])
    numbers = np.repeat(place[used].astype(np.int64), of_spans[3][used]) << _BITS | indices
    return Chosen(lines // 2, lines % 2, np.append(0, np.cumsum(n_frames[lines // 2])), numbers), rejects


def _reject(samples: pa.RecordBatch, row: int, reason: str, films: Films, n_frames: int) -> dict:
    sample = samples.slice(row, 1).to_pylist()[0]
    details = {"unknown_frame_kind": lambda: sample["frame_kind"], "no_media": lambda: ""}
    faults = (_fault(sample[name] or [], films, n_frames=int(n_frames)) for name in STREAMS)
    detail = details.get(reason, lambda: next(filter(None, faults)))()
    return {"step": "frames", "row_id": sample["sample_id"], "reason": reason, "detail": str(detail)}


def _fault(media: list[dict], films: Films, *, n_frames: int) -> str:
    """Say what is wrong with a media list, if anything is."""
    if len(media) > n_frames:
        return f"{len(media)} spans for {n_frames} frames: allowed is at least one frame for each span"
    for span in media:
        place = pc.index(films.ids, span["video_id"]).as_py()
        if place < 0:
            return f"video {span['video_id']} is in none of the tables {records.VIDEOS}"
        fps, total_frames = films.fps[place], int(films.total_frames[place])
        try:
            times = [float("nan") if span[name] is None else span[name] for name in ("start_s", "end_s")]
            video.sample_frame_indices(*times, fps=fps, n_frames=1, total_frames=total_frames)
        except ValueError as error:
            return str(error)
    return ""


def needed(chosen: Iterable[Chosen]) -> np.ndarray:
    """Return every frame that is chosen once, sorted; of all samples together, no more than that is held."""
    merged, waiting, count = np.empty(0, np.int64), [], 0
    for each in chosen:
        waiting.append(np.unique(each.frames))
        count += len(waiting[-1])
        # what waits is let grow with the rest, or every batch would sort all frames again
        if count > max(_MERGED, len(merged)):
            merged, waiting, count = np.unique(np.concatenate([merged, *waiting])), [], 0
    return np.unique(np.concatenate([merged, *waiting]))


def place_of(frames: np.ndarray) -> np.ndarray:
    """Return the place of the video of each frame."""
    return frames >> _BITS


def index_of(frames: np.ndarray) -> np.ndarray:
    """Return the index of each frame in its video."""
    return frames & (1 << _BITS) - 1
