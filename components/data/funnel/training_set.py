"""What the funnel's models learn from: clips of known view and boxed frames of takes, other takes to judge them by."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from components import records
from components.data.funnel import clip_reader
from components.records import content_id
from components.video.killable_worker import KillableWorker

CLIPS = 2  # of one video
CLIP_S = 4.0  # around the middle of a moment: as long as a sentence of web video
Boxes = list[tuple[str, list[float]]]  # of one frame: name, and (x1, y1, x2, y2) in percent

log = logging.getLogger(__name__)


class Lesson(NamedTuple):
    """One video of a take: spans of it, and frames whose boxes are known (ego only)."""

    source: str
    path: str
    take_id: str
    is_ego: bool
    spans: tuple[tuple[float, float], ...]
    stills: tuple[int, ...]
    boxes: tuple[Boxes, ...]


class Lessons(NamedTuple):
    """Frames of lessons, uint8: clips [T, S, S, 3] with view and take, stills [N, S, S, 3] with boxes and take."""

    clips: list[np.ndarray]
    is_ego: np.ndarray
    clip_takes: np.ndarray
    stills: np.ndarray
    boxes: list[Boxes]
    still_takes: np.ndarray


def choose(data_dir: Path, *, takes: int, split: str, seed: int) -> list[Lesson]:
    """Draw takes of a split by content, an ego and an exo video of each.

    Raises:
        ValueError: no take of the split has clips of both views and boxes.
    """
    kept = {"videos": "annotations/videos", "boxes": "annotations/boxes", "clips": "clips/clips"}
    columns = {
        "videos": ["source", "path", "take_id", "video_id", "view", "duration_s"],
        "boxes": ["video_id", "frame", "name", "box_xyxy"],
        "clips": ["clip_id", "video_id", "start_s", "end_s"],
    }
    found = {
        name: records.read_table(data_dir / f"{path}.parquet", records.SCHEMAS[name])
        .filter(pc.field("split") == split)
        .select(columns[name])
        .to_pandas()
        for name, path in kept.items()
    }
    videos, boxes, clips = found["videos"], found["boxes"], found["clips"]
    videos = videos[videos["video_id"].isin(clips["video_id"])]
    videos = videos[(videos["view"] == "exo") | videos["video_id"].isin(boxes["video_id"])]
    # one camera of each view, a different one in each take
    videos = videos.assign(lot=[content_id(seed, "funnel", video_id) for video_id in videos["video_id"]])
    videos = videos.sort_values("lot").drop_duplicates(["take_id", "view"])
    both = videos.groupby("take_id")["view"].transform("size") == 2
    drawn = sorted(videos.loc[both, "take_id"].unique(), key=lambda take: content_id(seed, "funnel", take))[:takes]
    if not drawn:
        raise ValueError(
            f"funnel: no take of the split {split} has ego and exo clips and VISOR boxes, which the ego/exo classifier "
            "and the hand detector learn from; get these sources, or take htm_aa and interlink7m out of sources in "
            "params/data.yaml"
        )
    videos = videos[videos["take_id"].isin(drawn)]
    clips = dict(list(clips[clips["video_id"].isin(videos["video_id"])].groupby("video_id")))
    boxes = dict(list(boxes[boxes["video_id"].isin(videos["video_id"])].groupby("video_id")))
    return [_lesson(row, clips[row.video_id], boxes.get(row.video_id), seed=seed) for row in videos.itertuples()]


def _lesson(video: Any, clips: pd.DataFrame, boxes: pd.DataFrame | None, *, seed: int) -> Lesson:
    chosen = sorted(clips.itertuples(), key=lambda clip: content_id(seed, "funnel", clip.clip_id))[:CLIPS]
    middles = [(clip.start_s + clip.end_s) / 2 for clip in chosen]
    spans = tuple((max(0.0, at - CLIP_S / 2), min(video.duration_s, at + CLIP_S / 2)) for at in middles)
    named: dict[int, Boxes] = {}
    if boxes is not None and video.view == "ego":
        for row in boxes.sort_values(["frame", "name"]).itertuples():
            named.setdefault(row.frame, []).append((row.name, list(row.box_xyxy)))
    return Lesson(
        video.source, video.path, video.take_id, video.view == "ego", spans, tuple(named), tuple(named.values())
    )


def read(
    lessons: Iterable[Lesson], roots: dict[str, Path], worker: KillableWorker, *, frames: int, size_px: int
) -> Lessons:
    """Decode lessons; a video that cannot be read is left out, and the log says so.

    Raises:
        ValueError: none can be read.
    """
    clips, is_ego, clip_takes, stills, boxes, still_takes = [], [], [], [], [], []
    for each in lessons:
        where = (worker, roots[each.source], each.path, each.spans)
        try:
            seen = clip_reader.read(*where, frames=frames, size_px=size_px, stills=each.stills)
        except clip_reader.RefusedError as error:
            log.warning("funnel: nothing is learned from %s: %s", each.path, error)
            continue
        usable = [clip for clip in seen.clips if clip is not None]
        clips += usable
        is_ego += [each.is_ego] * len(usable)
        clip_takes += [each.take_id] * len(usable)
        stills.append(seen.stills)
        boxes += each.boxes
        still_takes += [each.take_id] * len(each.boxes)
    if not clips or not boxes:
        raise ValueError("funnel: none of the videos to learn from can be read; the log names them and says why")
    return Lessons(clips, np.array(is_ego), np.array(clip_takes), np.concatenate(stills), boxes, np.array(still_takes))
