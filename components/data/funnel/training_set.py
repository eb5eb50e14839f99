"""The training and test sets of the funnel's models: clips of known view, and frames with boxes, of different takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from components import records
from components.data.funnel import clip_reader
from components.data.funnel.hand_detector import NamedBoxes
from components.records import content_id
from components.video.killable_worker import KillableWorker

CLIPS = 2  # of one video
CLIP_S = 4.0  # around the middle of a moment: as long as a sentence of web video

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


def sample_videos(data_dir: Path, *, takes: int, split: str, seed: int) -> list[LabelledVideo]:
    """Draw takes of a split, and of each an ego and an exo video.

    Draws are by content ids, so that they do not depend on the order of rows.

    Args:
        data_dir: with annotations/ and clips/.
        takes: most takes.
        split: "train" or "test".
        seed: of the draw.

    Returns:
        The videos, two for each take.

    Raises:
        ValueError: no take of the split has clips of both views and boxes.
    """
    kept = {"videos": "annotations/videos", "boxes": "annotations/boxes", "clips": "clips/clips"}
    columns = {
        "videos": ["source", "path", "take_id", "video_id", "view", "duration_s", "fps"],
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
    videos = videos.assign(draw=[content_id(seed, "funnel", video_id) for video_id in videos["video_id"]])
    videos = videos.sort_values("draw").drop_duplicates(["take_id", "view"])
    both = videos.groupby("take_id")["view"].transform("size") == 2
    drawn = sorted(videos.loc[both, "take_id"].unique(), key=lambda take: content_id(seed, "funnel", take))[:takes]
    if not drawn:
        raise ValueError(
            f"funnel: no take of the split {split} has ego and exo clips and VISOR boxes, which the ego/exo classifier "
            "and the hand detector are trained on; get these sources, or take htm_aa and interlink7m out of sources in "
            "params/data.yaml"
        )
    videos = videos[videos["take_id"].isin(drawn)]
    clips = dict(list(clips[clips["video_id"].isin(videos["video_id"])].groupby("video_id")))
    boxes = dict(list(boxes[boxes["video_id"].isin(videos["video_id"])].groupby("video_id")))
    return [
        _labelled(video, clips[video["video_id"]], boxes.get(video["video_id"]), seed=seed)
        for video in videos.to_dict("records")
    ]


def _labelled(video: dict, clips: pd.DataFrame, boxes: pd.DataFrame | None, *, seed: int) -> LabelledVideo:
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
    videos: Iterable[LabelledVideo], roots: dict[str, Path], worker: KillableWorker, *, frames: int, size_px: int
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
    if not clips or not boxes:
        raise ValueError(
            "funnel: none of the videos to train and test on can be read; the log names them and the errors"
        )
    return TrainingSet(
        clips, np.array(is_ego), np.array(clip_takes), np.concatenate(stills), boxes, np.array(still_takes)
    )
