"""Ego-ExoClip: narrations at single times become clips of every camera (systems §1.1, Exo2Ego and EgoVLP).

The timeline of a take (both annotators merged, or one each) has density beta = (t_n - t_0) / n seconds; alpha is the
mean beta over the timelines of the training takes. A clip reaches beta / (2 alpha) seconds to each side of its
narration, never past the neighbouring narrations or the ends of the video. Every view of the take gets the same span,
under one `moment_id`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.params import Data
from components.records import content_id


def betas(times_s: np.ndarray, *, timeline: np.ndarray) -> pd.Series:
    """Give the mean distance of neighbouring narrations of each timeline, seconds; NaN for a single narration.

    Args:
        times_s: narration times, shape [N].
        timeline: label of the timeline that each narration stands on, shape [N].
    """
    times = pd.Series(np.asarray(times_s, dtype=np.float64)).groupby(np.asarray(timeline))
    return (times.max() - times.min()) / (times.size() - 1).replace(0, np.nan)


def windows(
    times_s: np.ndarray, duration_s: np.ndarray, alpha_s: float, *, timeline: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expand narrations into spans `max(t_i - h, t_(i-1), 0)` to `min(t_i + h, t_(i+1), duration)`.

    The half width is h = beta / (2 alpha). The ratio has no unit and is read as seconds, as EgoVLP does (systems §1.1).

    Args:
        times_s: narration times, strictly increasing inside each timeline, shape [N].
        duration_s: length of the video, shape [N].
        alpha_s: mean beta of the corpus, seconds.
        timeline: label of the timeline, shape [N]; the rows of one timeline need not be neighbours.

    Returns:
        start_s and end_s, shape [N]; NaN where the timeline has one narration, because its beta is undefined.

    Raises:
        ValueError: times are equal or out of order inside a timeline.
    """
    times = pd.Series(np.asarray(times_s, dtype=np.float64))
    timeline = pd.Series(np.asarray(timeline))
    grouped = times.groupby(timeline)
    before, after = grouped.shift(1), grouped.shift(-1)
    unordered = (before >= times).to_numpy()
    if unordered.any():
        raise ValueError(
            f"timeline {timeline[unordered].iloc[0]!r}: narration times must be strictly increasing; "
            "sort them and collapse equal ones first"
        )
    half_s = timeline.map(betas(times, timeline=timeline)) / (2 * alpha_s)
    start = np.maximum(np.maximum(times - half_s, before.fillna(-np.inf)), 0.0)
    end = np.minimum(np.minimum(times + half_s, after.fillna(np.inf)), np.asarray(duration_s))
    return start.where(half_s.notna()).to_numpy(), end.where(half_s.notna()).to_numpy()


def moments(
    narrations: pd.DataFrame, videos: pd.DataFrame, *, annotators: str
) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Give one span to each usable narration.

    Narrations that are unsure, empty or about another person ("O ...") are rejected but still stand on the timeline:
    they mark that something else happens then, so they count for the density and bound their neighbours.

    Args:
        narrations, videos: tables of components/records.py.
        annotators: "merged" or "per_annotator".

    Returns:
        The narrations kept, with `start_s`, `end_s` and `moment_id`; the rejects; alpha in seconds.

    Raises:
        ValueError: no training take has two narrations, so that alpha is undefined.
    """
    # frame-aligned cameras may differ by a frame at the end: a moment must lie inside all of them
    shortest = videos.groupby(["source", "take_id"], as_index=False)["duration_s"].min()
    duration_s = narrations.merge(shortest, on=["source", "take_id"], how="left")["duration_s"].set_axis(
        narrations.index
    )
    body = narrations["text"].str.replace(r"^#\S+\s+", "", regex=True).str.strip()
    reason = pd.Series(
        np.select(
            [
                duration_s.isna(),
                ~narrations["time_s"].between(0, duration_s),
                body == "",
                body.str.match(r"O\b"),
                narrations["unsure"].astype(bool),
            ],
            ["no_video", "outside_video", "empty_text", "not_camera_wearer", "unsure"],
            "",
        ),
        index=narrations.index,
    )
    frame = narrations.assign(duration_s=duration_s, reason=reason, detail=narrations["text"])
    frame["timeline"] = frame["source"] + "/" + frame["take_id"]
    if annotators == "per_annotator":
        frame["timeline"] += "/" + frame["annotator_id"]
    on_timeline = ~frame["reason"].isin(["no_video", "outside_video"])
    # of equal times a usable narration stays
    line = frame[on_timeline].assign(unusable=reason != "")
    line = line.sort_values(["timeline", "time_s", "unusable", "narration_id"], kind="stable")
    collapsed = line.duplicated(["timeline", "time_s"])
    kept = line[~collapsed].copy()
    trained = kept["split"] == "train"
    alpha_s = float(betas(kept["time_s"][trained], timeline=kept["timeline"][trained]).mean())
    if not alpha_s > 0:
        raise ValueError(
            "clips: alpha is the mean narration distance of the training takes, and none has two narrations; "
            "look at data/annotations/narrations.parquet"
        )
    kept["start_s"], kept["end_s"] = windows(kept["time_s"], kept["duration_s"], alpha_s, timeline=kept["timeline"])
    kept.loc[kept["start_s"].isna() & (kept["reason"] == ""), "reason"] = "single_narration"
    equal = line[collapsed].assign(reason=lambda rows: rows["reason"].where(rows["reason"] != "", "equal_time"))
    rejected = pd.concat([frame[~on_timeline], equal, kept[kept["reason"] != ""]])
    kept = kept[kept["reason"] == ""]
    spans = zip(kept["narration_id"], kept["start_s"], kept["end_s"], strict=True)
    return kept.assign(moment_id=[content_id("moment", *span) for span in spans]), rejected, alpha_s


def clips(moments: pd.DataFrame, videos: pd.DataFrame, *, min_frames: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each moment one clip per view of its take.

    A moment that the annotator marked as not visible in ego gives exo clips only.

    Returns:
        Clips as in components/records.py (a row per moment and view), and the rejected ones with `reason`, `detail`.
    """
    cameras = videos[["source", "take_id", "video_id", "view", "fps"]]
    views = moments.merge(cameras, on=["source", "take_id"], how="inner")
    pairs = zip(views["moment_id"], views["video_id"], strict=True)
    views["clip_id"] = [content_id("clip", *pair) for pair in pairs]
    frames = (views["end_s"] - views["start_s"]) * views["fps"]
    # a small tolerance: 0.25 s at 8 frames/s is two frames whatever the floating-point error
    short = frames < min_frames - 1e-6
    hidden = (views["view"] == "ego") & ~views["ego_visible"].fillna(True).astype(bool)
    views["reason"] = np.select([hidden, short], ["not_visible_in_ego", "under_min_frames"], "")
    views["detail"] = views["view"] + " " + frames.round(3).astype(str) + " frames"
    order = views.sort_values(["take_id", "start_s", "moment_id", "view", "video_id"], kind="stable")
    return order[order["reason"] == ""], order[order["reason"] != ""]


def stats(
    narrations: pd.DataFrame, kept: pd.DataFrame, made: pd.DataFrame, rejects: pd.DataFrame, *, alpha_s: float
) -> dict:
    """Sum up the corpus as Exo2Ego's Table 1 does: durations and words are of moments, not of their views."""
    used = kept[kept["moment_id"].isin(made["moment_id"])]
    duration_s = used["end_s"] - used["start_s"]
    words = used["text"].str.split().str.len()
    views = made.groupby("moment_id")["view"].value_counts().unstack(fill_value=0)
    views = views.reindex(columns=["ego", "exo"], fill_value=0)
    return {
        "alpha_s": alpha_s,
        "narrations": len(narrations),
        "moments": len(used),
        "clips": {view: int(count) for view, count in sorted(made["view"].value_counts().items())},
        "ego_exo_pairs": int((views["ego"] * views["exo"]).sum()),
        "duration_s": {"mean": float(duration_s.mean()), "std": float(duration_s.std(ddof=0))},
        "share_under_1s": float((duration_s < 1).mean()),
        "words": {"mean": float(words.mean()), "std": float(words.std(ddof=0))},
        "rejects": {reason: int(count) for reason, count in sorted(rejects["reason"].value_counts().items())},
    }


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations, write data/clips/{clips,rejects}.parquet and stats.json.

    Returns:
        `counts` (the statistics) and `ledger`: (what, rows in, rows out, rejected) for each time rows may drop.
    """
    source, target = data_dir / "annotations", data_dir / "clips"
    videos = records.read_table(source / "videos.parquet", records.VIDEO).to_pandas()
    narrations = records.read_table(source / "narrations.parquet", records.NARRATION).to_pandas()
    kept, dropped, alpha_s = moments(narrations, videos, annotators=params.clips.annotators)
    made, short = clips(kept, videos, min_frames=params.clips.min_frames)
    rejects = pd.concat(
        [dropped.assign(row_id=dropped["narration_id"]), short.assign(row_id=short["clip_id"])], ignore_index=True
    ).assign(step="clips")
    for name, frame, schema in (("clips", made, records.CLIP), ("rejects", rejects, records.REJECT)):
        table = pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False)
        records.write_table(target / f"{name}.parquet", table.replace_schema_metadata(None), schema)
    counts = stats(narrations, kept, made, rejects, alpha_s=alpha_s)
    (target / "stats.json").write_text(json.dumps(counts, indent=2) + "\n")
    views = videos.groupby(["source", "take_id"]).size().rename("views").reset_index()
    expanded = int(kept.merge(views, on=["source", "take_id"])["views"].sum())
    return {
        "counts": counts,
        "ledger": [
            ("narrations", len(narrations), len(kept), len(dropped)),
            ("views", expanded, len(made), len(short)),
        ],
    }
