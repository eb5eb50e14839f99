"""The training and test sets of the funnel's models: clips of known view, and frames with boxes, of different takes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.funnel import clip_reader
from components.data.funnel.candidates import SHORTEST_S
from components.data.funnel.detections import NamedBoxes
from components.records import content_id, content_ids
from components.video.killable_worker import KillableWorker

CLIPS = 2  # of one video
CLIP_S = 4.0  # around the middle of a moment: as long as a sentence of web video

READ: dict[
    str, tuple[tuple[str, ...], list[str]]
] = {  # what is read -> its tables, of which the first is there; columns
    "videos": (
        ("annotations/videos", "media/videos"),
        ["source", "path", "take_id", "video_id", "view", "duration_s", "fps"],
    ),
    "boxes": (("annotations/boxes",), ["video_id", "frame", "name", "box_xyxy"]),
    "clips": (("clips/clips",), ["clip_id", "video_id", "start_s", "end_s"]),
}

log = logging.getLogger(__name__)


class LabelledVideo(NamedTuple):
    """A video of a take, with its view and boxes.

    Attributes:
        source: a key of `sources`.
        path: relative to the folder of the source.
        fps: its frame rate.
        take_id: of the take.
        is_ego: whether it is the ego view.
        spans: (start, end) of the clips to decode, seconds.
        stills: numbers of the frames with boxes; exo videos have none.
        boxes: of each of these frames.
    """

    source: str
    path: str
    fps: float
    take_id: str
    is_ego: bool
    spans: clip_reader.Spans
    stills: tuple[int, ...]
    boxes: tuple[NamedBoxes, ...]


class TrainingSet(NamedTuple):
    """Decoded frames of labelled videos, uint8.

    Attributes:
        clips: C arrays [T, S, S, 3].
        is_ego: bool [C].
        clip_takes: [C], the take of each clip.
        stills: [N, S, S, 3], ego frames with boxes.
        boxes: of each of these frames.
        still_takes: [N], the take of each frame.
    """

    clips: list[np.ndarray]
    is_ego: np.ndarray
    clip_takes: np.ndarray
    stills: np.ndarray
    boxes: list[NamedBoxes]
    still_takes: np.ndarray


def sample_videos(data_dir: Path, *, takes: int, split: str, needs_boxes: bool, seed: int) -> list[LabelledVideo]:
    """Draw videos of a split whose view is known, of whatever source: at most `takes` of each view.

    Takes that have both views and boxes come first, then ego videos with boxes: the detector learns from these. Draws
    are by content ids, so that they do not depend on the order of rows.

    Args:
        data_dir: with annotations/, media/ and clips/.
        takes: most takes of each view.
        split: "train" or "test".
        needs_boxes: whether the detector learns from them.
        seed: of the draw.

    Returns:
        The videos.

    Raises:
        ValueError: the split has no videos of one view, or none with boxes where these are needed.
    """
    videos, boxes, clips = (_of_split(data_dir, name, split) for name in ("videos", "boxes", "clips"))
    videos = videos[videos["duration_s"] >= SHORTEST_S]  # no images: a view is not known by standing still
    has_boxes = (videos["view"] == "ego") & videos["video_id"].isin(boxes["video_id"])
    has_clips = videos["video_id"].isin(clips["video_id"])
    videos = videos.assign(
        draw=content_ids(str(seed), "funnel", videos["video_id"]),
        draw_take=content_ids(str(seed), "funnel", videos["take_id"]),
        boxed=has_boxes,
        usable=has_clips & (has_boxes | (videos["view"] == "exo")),
    )
    # one camera of each view, a different one in each take
    order = ["usable", "boxed", "draw"]
    videos = videos.sort_values(order, ascending=[False, False, True]).drop_duplicates(["take_id", "view"])
    complete = videos.groupby("take_id")["usable"].transform("sum") == 2
    ranked = videos.assign(complete=complete).sort_values(
        ["complete", "boxed", "draw_take"], ascending=[False, False, True]
    )
    drawn = ranked[ranked.groupby("view").cumcount() < takes].sort_values("draw")
    if {*drawn["view"]} != {"ego", "exo"} or (needs_boxes and not drawn["boxed"].any()):
        counts = videos["view"].value_counts().sort_index().to_dict()
        raise ValueError(
            f"funnel: the split {split} has videos {counts} of known view, {int(has_boxes.sum())} of them with boxes. "
            "The ego/exo classifier needs both views, the hand detector VISOR boxes of EPIC-KITCHENS or of Ego-Exo4D "
            "takes, unless `funnel.hand_detector` names a detection model. Name such sources in params/data.yaml, or "
            "take htm_aa and interlink7m out of them"
        )
    clips = dict(list(clips[clips["video_id"].isin(drawn["video_id"])].groupby("video_id")))
    boxes = dict(list(boxes[boxes["video_id"].isin(drawn["video_id"])].groupby("video_id")))
    return [
        _labelled(video, clips.get(video["video_id"]), boxes.get(video["video_id"]), seed=seed)
        for video in drawn.to_dict("records")
    ]


def _of_split(data_dir: Path, name: str, split: str) -> pd.DataFrame:
    """Return some columns of videos, boxes or clips; videos of takes, and of media with captions or questions."""
    tables, columns = READ[name]
    found = [
        records.read_table(path, records.SCHEMAS[name]).filter(pc.field("split") == split).select(columns)
        for table in tables
        if (path := data_dir / f"{table}.parquet").is_file() or table == tables[0]
    ]
    return pa.concat_tables(found).to_pandas()


def _labelled(video: dict, clips: pd.DataFrame | None, boxes: pd.DataFrame | None, *, seed: int) -> LabelledVideo:
    middles = [video["duration_s"] * (number + 0.5) / CLIPS for number in range(CLIPS)]
    if clips is not None:
        rows = sorted(clips.to_dict("records"), key=lambda clip: content_id(seed, "funnel", clip["clip_id"]))
        middles = [(clip["start_s"] + clip["end_s"]) / 2 for clip in rows[:CLIPS]]
    spans = tuple((max(0.0, at - CLIP_S / 2), min(video["duration_s"], at + CLIP_S / 2)) for at in middles)
    of_frame: dict[int, NamedBoxes] = {}
    is_ego = video["view"] == "ego"
    if boxes is not None and is_ego:
        for row in boxes.sort_values(["frame", "name"]).to_dict("records"):
            of_frame.setdefault(row["frame"], []).append((row["name"], list(row["box_xyxy"])))
    return LabelledVideo(
        video["source"],
        video["path"],
        video["fps"],
        video["take_id"],
        is_ego,
        spans,
        tuple(of_frame),
        tuple(of_frame.values()),
    )


def decode(
    videos: Sequence[LabelledVideo], roots: dict[str, Path], worker: KillableWorker, *, frames: int, size_px: int
) -> TrainingSet:
    """Decode labelled videos; one that cannot be read is left out, and the log says so.

    Args:
        videos: of one split.
        roots: source -> folder that the paths of its videos are relative to.
        worker: the process that decodes.
        frames: of each clip.
        size_px: side of the square that frames are resized to.

    Returns:
        Their frames.

    Raises:
        ValueError: none can be read.
    """
    clips, is_ego, clip_takes, stills, boxes, still_takes = [], [], [], [], [], []
    for video in videos:
        try:
            decoded = clip_reader.read(
                worker,
                roots[video.source],
                video.path,
                video.spans,
                frames=frames,
                size_px=size_px,
                stills=video.stills,
                fps=video.fps,
            )
        except clip_reader.RefusedError as error:
            log.warning("funnel: %s is left out of the training and test sets: %s", video.path, error)
            continue
        usable = [clip for clip in decoded.clips if clip is not None]
        clips += usable
        is_ego += [video.is_ego] * len(usable)
        clip_takes += [video.take_id] * len(usable)
        stills.append(decoded.stills)
        boxes += video.boxes
        still_takes += [video.take_id] * len(video.boxes)
    if not clips or (not boxes and any(video.boxes for video in videos)):
        raise ValueError(
            "funnel: none of the videos to train and test on can be read; the log names them and the errors"
        )
    return TrainingSet(
        clips, np.array(is_ego), np.array(clip_takes), np.concatenate(stills), boxes, np.array(still_takes)
    )
