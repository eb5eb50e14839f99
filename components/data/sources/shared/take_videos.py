"""What the adapters of corpora with takes share: a film is probed, and a span in it is checked.

Both return a row, or a reject (`json_fields.reject_row`), so that they can stand in `json_fields.in_batches`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from pathlib import Path

from components.data.sources.shared import json_fields
from components.records import content_id
from components.video import NumberingError, PathError, Probe, VideoError, inside

_EPSILON_S = 1e-6  # a frame is no exact binary fraction of a second


def video_row(
    source: str,
    of: dict[str, str],
    paths: Sequence[str],
    *,
    root: Path,
    probe: Callable[..., Probe],
    folder_fps: float | None = None,
) -> dict:
    """Probe the film of a camera.

    Args:
        source: name of the dataset.
        of: `take_id`, `camera_id`, `view` and `split`.
        paths: where the film may lie, below `root`; the first that is there counts.
        root: folder of the dataset.
        probe: as `video.probe`.
        folder_fps: images a second, where a film may be a folder of numbered images.

    Returns:
        A row of `records.VIDEO`, or a reject: `file_missing`, `path_outside_root`, `frames_missing` (in a folder of
        images) or `unreadable_video`.
    """
    refuse = partial(json_fields.reject_row, source, f"{of['take_id']}/{of['camera_id']}")
    try:
        path = next((path for path in paths if inside(root, path).exists()), None)
        if path is None:
            return refuse("file_missing", " or ".join(paths))
        seen = probe(inside(root, path), folder_fps)
    except PathError as error:
        return refuse("path_outside_root", error.cause)
    except NumberingError as error:
        return refuse("frames_missing", f"{' or '.join(paths)}: {error.cause}")
    except VideoError as error:
        return refuse("unreadable_video", f"{' or '.join(paths)}: {error.cause}")
    return of | {
        "video_id": content_id(source, of["take_id"], of["camera_id"]),
        "source": source,
        "take_name": of["take_id"],
        "path": path,
        "duration_s": seen.duration_s,
        "fps": seen.fps,
    }


def interval_row(
    source: str,
    names: tuple[str, ...],
    video: dict,
    span: tuple[str | float | None, str | float | None],
    text: str,
    *,
    most_behind_s: float = 0.0,
) -> dict:
    """Check a span of a video and what it shows.

    A time at most a frame outside the video is a rounding, and is moved to the video's edge.

    Args:
        source: name of the dataset.
        names: what names the span in its source: of the video, of the span.
        video: `video_id`, `take_id`, `duration_s`, `fps` and `split`.
        span: start and end in seconds, as the source writes them; None for what is no number.
        text: what happens.
        most_behind_s: an end so far behind the video is cut at its end; more than a frame only where the source's
            ends are known to lie there.

    Returns:
        A row of `records.INTERVAL`, or a reject: `not_a_time`, `end_before_start`, `outside_video` or `empty_text`.
    """
    refuse = partial(json_fields.reject_row, source, "/".join(names))
    start_s, end_s = (_finite(value) for value in span)
    length_s, edge_s = video["duration_s"], 1 / video["fps"] + _EPSILON_S
    if start_s is None or end_s is None:
        return refuse("not_a_time", f"{span[0]!r}, {span[1]!r}")
    shown = f"[{start_s}, {end_s}) in {length_s:g} s"
    if start_s >= end_s:
        return refuse("end_before_start", shown)
    if start_s < -edge_s or start_s >= length_s or end_s <= 0 or end_s > length_s + max(edge_s, most_behind_s):
        return refuse("outside_video", shown)
    if not text:
        return refuse("empty_text", shown)
    return {
        "interval_id": content_id(source, *names),
        "source": source,
        "take_id": video["take_id"],
        "video_id": video["video_id"],
        "start_s": max(start_s, 0.0),
        "end_s": min(end_s, length_s),
        "text": text,
        "split": video["split"],
    }


def _finite(value: str | float | None) -> float | None:
    try:
        number = None if value is None else float(value)
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None
