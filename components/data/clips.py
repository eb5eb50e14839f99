"""Ego-ExoClip: narrations at single times become clips of every camera (systems §1.1-1.2, Exo2Ego and EgoVLP).

The narrations of a video group (a take with all its cameras) stand on a timeline, those of both annotators together or
of each alone, and a rule of components/data/windows.py gives each a span, from the density of the timeline and from
alpha, the mean density of the training takes. Every view of the take gets the same span, under one `moment_id`. Two
annotators who say nearly the same at nearly the same time both stay: narration diversity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.moments import TAKE, alpha, groups, moments, sorted_rows, take_numbers
from components.params import Data
from components.records import content_ids

BATCH = 100_000  # narrations expanded at once: of the clips, no more is held than these give


def expand(moments: pd.DataFrame, videos: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pair every moment with every camera of its take.

    Returns:
        Row numbers into `moments` and into `videos`, shape [moments x views]; sorted by take, start and moment, the
        ego view of a moment before its exo views.
    """
    take, of_video = take_numbers(moments, videos)
    camera = sorted_rows(of_video, pd.factorize(videos["view"], sort=True)[0], videos["video_id"])
    row = sorted_rows(take, moments["start_s"].to_numpy(), moments["moment_id"])
    views = np.bincount(of_video)
    # the cameras of a take follow one another in `camera`: each moment counts on from the first of its take
    times = views[take[row]]
    shift = (np.cumsum(views) - views)[take[row]] - (np.cumsum(times) - times)
    return np.repeat(row, times), camera[np.repeat(shift, times) + np.arange(times.sum())]


def clips(moments: pd.DataFrame, videos: pd.DataFrame, *, min_frames: int) -> tuple[pa.Table, pd.DataFrame]:
    """Give each moment one clip per view of its take.

    A moment that the annotator marked as not visible in ego gives exo clips only.

    Returns:
        Clips as in components/records.py (a row per moment and view); the rejected ones with `row_id` (the clip),
        `reason` and `detail`.
    """
    moment, video = expand(moments, videos)
    frames = ((moments["end_s"] - moments["start_s"]).to_numpy()[moment]) * videos["fps"].to_numpy()[video]
    # a small tolerance: 0.25 s at 8 frames/s is two frames whatever the floating-point error
    short = frames < min_frames - 1e-6
    seen = moments["ego_visible"].fillna(True).to_numpy(dtype=bool)
    hidden = videos["view"].eq("ego").to_numpy()[video] & ~seen[moment]
    parents = _pick(moments["moment_id"], moment), _pick(videos["video_id"], video)
    clip_ids = np.array(content_ids("clip", *(ids.to_pylist() for ids in parents)), dtype=object)
    good, bad = np.flatnonzero(~(short | hidden)), np.flatnonzero(short | hidden)
    of_video = {name: _pick(videos[name], video[good]) for name in ("video_id", "view")}
    of_moment = {name: _pick(moments[name], moment[good]) for name in records.CLIP.names if name in moments}
    made = pa.table({"clip_id": clip_ids[good]} | of_video | of_moment)
    many = pd.Series(frames[bad]).round(3).astype(str)
    rejects = pd.DataFrame(
        {
            "row_id": clip_ids[bad],
            "reason": np.where(hidden[bad], "not_visible_in_ego", "under_min_frames"),
            "detail": _pick(videos["view"], video[bad]).to_pandas() + " " + many + " frames",
        }
    )
    return made.select(records.CLIP.names), rejects


def _pick(column: pd.Series, rows: np.ndarray) -> pa.Array | pa.ChunkedArray:
    """Give the values of a column at some rows."""
    return pa.array(column).take(pa.array(rows))


def batches(
    narrations: pd.DataFrame, videos: pd.DataFrame, *, size: int
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Give the narrations of some takes after others, about `size` at once, with the videos of those takes."""
    take, of_video = take_numbers(narrations, videos)
    before = np.cumsum(np.bincount(take + 1, minlength=of_video.max(initial=-1) + 2))  # + 1: -1 is of no video
    batch, of_video = (((before - 1) // size)[numbers + 1] for numbers in (take, of_video))
    for number in np.unique(batch):
        yield narrations.iloc[np.flatnonzero(batch == number)], videos.iloc[np.flatnonzero(of_video == number)]


def tally(moments: pd.DataFrame, made: pa.Table) -> pd.DataFrame:
    """Give the numbers of each moment: `duration_s`, `words`, and its `ego` and `exo` clips."""
    row, view = pd.Index(moments["moment_id"]).get_indexer(made["moment_id"].to_pandas()), made["view"].to_pandas()
    clips = {name: np.bincount(row[view == name], minlength=len(moments)) for name in ("ego", "exo")}
    words = moments["text"].str.split().str.len().to_numpy()
    return pd.DataFrame({"duration_s": (moments["end_s"] - moments["start_s"]).to_numpy(), "words": words} | clips)


def stats(moments: pd.DataFrame, rejects: pd.DataFrame) -> dict:
    """Sum up the corpus as Exo2Ego's Table 1 does: durations and words are of moments, not of their views.

    Args:
        moments: as `tally` gives them.
        rejects: all that was dropped.
    """
    used = moments[moments["ego"] + moments["exo"] > 0]
    return {
        "moments": len(used),
        "clips": {view: int(used[view].sum()) for view in ("ego", "exo") if used[view].any()},
        "ego_exo_pairs": int((used["ego"] * used["exo"]).sum()),
        "duration_s": {"mean": float(used["duration_s"].mean()), "std": float(used["duration_s"].std(ddof=0))},
        "share_under_1s": float((used["duration_s"] < 1).mean()),
        "words": {"mean": float(used["words"].mean()), "std": float(used["words"].std(ddof=0))},
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
    target.mkdir(parents=True, exist_ok=True)
    chosen = params.clips.model_dump()
    counts, rejects, ledger = build(narrations, videos, target / "clips.parquet", **chosen)
    rejects = pa.Table.from_pandas(rejects.assign(step="clips")[records.REJECT.names], records.REJECT)
    records.write_table(target / "rejects.parquet", rejects.replace_schema_metadata(None), records.REJECT)
    (target / "stats.json").write_text(json.dumps({"window": chosen} | counts, indent=2) + "\n")
    return {"counts": counts, "ledger": ledger}


def build(
    narrations: pd.DataFrame, videos: pd.DataFrame, path: Path, *, min_frames: int, annotators: str, **rule: object
) -> tuple[dict, pd.DataFrame, list[tuple[str, int, int, int]]]:
    """Write the clips, batch by batch.

    Args:
        narrations, videos: tables of components/records.py.
        path: the Parquet file.
        rule: `rule`, `clamp` and `length_s` of `moments`.

    Returns:
        The statistics, the rejects (`row_id`, `reason`, `detail`) and the ledger of `run`.
    """
    kept_videos, no_group = groups(narrations, videos)
    alpha_s = alpha(narrations, kept_videos, annotators=annotators)
    tallies, dropped, short, views = [], [], [], 0
    with pq.ParquetWriter(path, records.CLIP, compression="zstd") as file:
        for said, filmed in batches(narrations, kept_videos, size=BATCH):
            kept, unusable = moments(said, filmed, alpha_s, annotators=annotators, **rule)
            made, few = clips(kept, filmed, min_frames=min_frames)
            file.write_table(made.cast(records.CLIP))
            tallies.append(tally(kept, made))
            dropped.append(unusable)
            short.append(few)
            take, of_video = take_numbers(kept, filmed)
            views += int(np.bincount(of_video)[take].sum())
    every, rejects = pd.concat(tallies), pd.concat([*dropped, *short, no_group], ignore_index=True)
    counts = {"alpha_s": alpha_s, "narrations": len(narrations)} | stats(every, rejects)
    ledger = [
        ("groups", *(len(rows[TAKE].drop_duplicates()) for rows in (videos, kept_videos)), len(no_group)),
        ("narrations", len(narrations), len(every), sum(map(len, dropped))),
        ("views", views, sum(counts["clips"].values()), sum(map(len, short))),
    ]
    return counts, rejects, ledger
