"""Ego-ExoClip: narrations at single times become clips of every camera (systems §1.1-1.2, Exo2Ego and EgoVLP).

A video group is a take with all its cameras. The narrations of a group stand on a timeline (those of both annotators
together, or of each alone), and a rule of components/data/windows.py gives each a span, from the density of the
timeline and from alpha, the mean density of the training takes. Every view of the take gets the same span, under one
`moment_id`. Two annotators who say nearly the same at nearly the same time both stay: narration diversity.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.windows import betas, windows
from components.params import Data
from components.records import content_ids

_OFF_TIMELINE = ("no_video", "outside_video")
_TAKE = ["source", "take_id"]


def groups(narrations: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop the video groups that give no ego-exo clips: nobody narrated them, or no ego video belongs to them.

    Groups of the challenge splits do not come this far: components/data/sources rejects those without annotations
    and marks the others as held out.

    Returns:
        The videos of the groups kept; the groups dropped, one row each, with `row_id` (the take), `reason`, `detail`.
    """
    ego = videos["view"].eq("ego").groupby([videos[name] for name in _TAKE]).agg(["any", "size"])
    narrated = ego.index.isin(pd.MultiIndex.from_frame(narrations[_TAKE]))
    reason = np.select([~narrated, ~ego["any"]], ["group_without_narration", "group_without_ego_video"], "")
    dropped = ego[reason != ""].reset_index()
    dropped["reason"] = reason[reason != ""]
    dropped["row_id"], dropped["detail"] = dropped["take_id"], dropped["size"].astype(str) + " videos"
    of_kept = pd.MultiIndex.from_frame(videos[_TAKE]).isin(ego.index[reason == ""])
    return videos[of_kept], dropped[["row_id", "reason", "detail"]]


def moments(
    narrations: pd.DataFrame,
    videos: pd.DataFrame,
    *,
    annotators: str,
    rule: str = "beta_over_alpha",
    clamp: bool = True,
    length_s: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Give one span to each usable narration.

    Narrations that are unsure, empty or about another person ("O ...") are rejected but still stand on the timeline:
    they mark that something else happens then, so they count for the density and bound their neighbours.

    Args:
        narrations, videos: tables of components/records.py.
        annotators: "merged" or "per_annotator".
        rule, clamp, length_s: how components/data/windows.py makes spans; the defaults are Exo2Ego's.

    Returns:
        The narrations kept, with `start_s`, `end_s` and `moment_id`; the rejects; alpha in seconds.

    Raises:
        ValueError: no training take has two narrations, so that alpha is undefined.
    """
    takes, take_of_video = _number_takes(videos)
    take = takes.get_indexer(pd.MultiIndex.from_frame(narrations[_TAKE]))
    # frame-aligned cameras may differ by a frame at the end: a moment must lie inside all of them
    shortest_s = videos["duration_s"].groupby(take_of_video).min().to_numpy()
    duration_s = np.append(shortest_s, np.nan)[take]  # take -1, the unknown one, reads the last
    time_s = narrations["time_s"].to_numpy()
    reason = _unusable(narrations, duration_s)
    on_line = ~np.isin(reason, _OFF_TIMELINE)
    timeline = take.astype(np.int64)
    if annotators == "per_annotator":
        annotator, names = pd.factorize(narrations["annotator_id"], sort=True)
        timeline = timeline * len(names) + annotator
    # of equal times a usable narration stays
    line = _order(timeline, time_s, pd.Series(reason != ""), narrations["narration_id"])
    line = line[on_line[line]]
    again = np.zeros(len(line), dtype=bool)
    again[1:] = (timeline[line[1:]] == timeline[line[:-1]]) & (time_s[line[1:]] == time_s[line[:-1]])
    equal, line = line[again], line[~again]
    trained = line[narrations["split"].eq("train").to_numpy()[line]]
    alpha_s = float(betas(time_s[trained], timeline=timeline[trained]).mean())
    if not alpha_s > 0:
        raise ValueError(
            "clips: alpha is the mean narration distance of the training takes, and none has two narrations; "
            "look at data/annotations/narrations.parquet"
        )
    how = {"rule": rule, "clamp": clamp, "length_s": length_s}
    start_s, end_s = windows(time_s[line], duration_s[line], alpha_s, timeline=timeline[line], **how)
    reason[equal[reason[equal] == ""]] = "equal_time"
    reason[line[np.isnan(start_s) & (reason[line] == "")]] = "single_narration"
    good = reason[line] == ""
    rejected = np.concatenate([np.flatnonzero(~on_line), equal, line[~good]])
    rejects = narrations.iloc[rejected].assign(reason=reason[rejected], detail=lambda rows: rows["text"])
    kept = narrations.iloc[line[good]].assign(start_s=start_s[good], end_s=end_s[good])
    spans = (map(repr, kept[name].tolist()) for name in ("start_s", "end_s"))
    return kept.assign(moment_id=content_ids("moment", kept["narration_id"].tolist(), *spans)), rejects, alpha_s


def _number_takes(rows: pd.DataFrame) -> tuple[pd.MultiIndex, np.ndarray]:
    """Give the takes of some rows, sorted, and the number of the take of each row."""
    takes = pd.MultiIndex.from_frame(rows[_TAKE])
    return (known := takes.unique().sort_values()), known.get_indexer(takes)


def _order(group: np.ndarray, value: np.ndarray, *texts: pd.Series) -> np.ndarray:
    """Give the row numbers that sort by group, value and then the texts, which are read only where those are equal.

    Args:
        group: integers, shape [N].
        value: numbers, shape [N].
    """
    # np.lexsort does the same in ten times the time: it has no vectorised sort
    rank = np.empty(len(value), dtype=np.int64)
    rank[np.argsort(value)] = np.arange(len(value))
    order = np.argsort(group * len(value) + rank)
    equal = (group[order[1:]] == group[order[:-1]]) & (value[order[1:]] == value[order[:-1]])
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] |= equal
    tied[:-1] |= equal
    rows = order[tied]
    ranks = [text.iloc[rows].rank() for text in reversed(texts)]
    order[tied] = rows[np.lexsort((*ranks, value[rows], group[rows]))]
    return order


def _unusable(narrations: pd.DataFrame, duration_s: np.ndarray) -> np.ndarray:
    """Say why a narration gives no clip; empty where it does. Shape [N], text."""
    body = narrations["text"].str.replace(r"^#\S+\s+", "", regex=True).str.strip()
    reasons = {
        "no_video": np.isnan(duration_s),
        "outside_video": ~narrations["time_s"].between(0, duration_s),
        "empty_text": body == "",
        "not_camera_wearer": body.str.match(r"O\b"),
        "unsure": narrations["unsure"],
    }
    return np.select([np.asarray(holds, dtype=bool) for holds in reasons.values()], list(reasons), "").astype(object)


def expand(moments: pd.DataFrame, videos: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pair every moment with every camera of its take.

    Returns:
        Row numbers into `moments` and into `videos`, shape [moments x views]; sorted by take, start and moment, the
        ego view of a moment before its exo views.
    """
    takes, take_of_video = _number_takes(videos)
    camera = _order(take_of_video, pd.factorize(videos["view"], sort=True)[0], videos["video_id"])
    take = takes.get_indexer(pd.MultiIndex.from_frame(moments[_TAKE]))
    by_name, _ = pd.factorize(takes.get_level_values("take_id"), sort=True)
    row = _order(by_name[take], moments["start_s"].to_numpy(), moments["moment_id"])
    views = np.bincount(take_of_video, minlength=len(takes))
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


def stats(
    narrations: pd.DataFrame, kept: pd.DataFrame, made: pa.Table, rejects: pd.DataFrame, *, alpha_s: float
) -> dict:
    """Sum up the corpus as Exo2Ego's Table 1 does: durations and words are of moments, not of their views."""
    moment = made["moment_id"].combine_chunks().dictionary_encode()
    used = kept[kept["moment_id"].isin(moment.dictionary.to_pandas())]
    duration_s = used["end_s"] - used["start_s"]
    words = used["text"].str.split().str.len()
    is_ego = pc.equal(made["view"], "ego").to_numpy()
    views = np.bincount(moment.indices.to_numpy())
    ego = np.bincount(moment.indices.to_numpy(), weights=is_ego).astype(int)
    return {
        "alpha_s": alpha_s,
        "narrations": len(narrations),
        "moments": len(used),
        "clips": {view: int(count) for view, count in sorted(made["view"].to_pandas().value_counts().items())},
        "ego_exo_pairs": int((ego * (views - ego)).sum()),
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
    every_video = records.read_table(source / "videos.parquet", records.VIDEO).to_pandas()
    narrations = records.read_table(source / "narrations.parquet", records.NARRATION).to_pandas()
    videos, refused = groups(narrations, every_video)
    how = params.clips.model_dump(include={"rule", "clamp", "length_s", "annotators"})
    kept, dropped, alpha_s = moments(narrations, videos, **how)
    made, short = clips(kept, videos, min_frames=params.clips.min_frames)
    rejects = pd.concat([dropped.assign(row_id=dropped["narration_id"]), short, refused], ignore_index=True)
    table = pa.Table.from_pandas(
        rejects.assign(step="clips")[records.REJECT.names], records.REJECT, preserve_index=False
    )
    records.write_table(target / "rejects.parquet", table.replace_schema_metadata(None), records.REJECT)
    records.write_table(target / "clips.parquet", made, records.CLIP)
    counts = {"window": how} | stats(narrations, kept, made, rejects, alpha_s=alpha_s)
    (target / "stats.json").write_text(json.dumps(counts, indent=2) + "\n")
    takes, before = every_video[_TAKE].drop_duplicates(), videos[_TAKE].drop_duplicates()
    return {
        "counts": counts,
        "ledger": [
            ("groups", len(takes), len(before), len(refused)),
            ("narrations", len(narrations), len(kept), len(dropped)),
            ("views", len(kept[_TAKE].merge(videos[_TAKE])), len(made), len(short)),
        ],
    }
