"""Narrations become moments: which video groups and narrations count, and the span that each gets (systems §1.1-1.2).

A video group is a take with all its cameras; a moment is a span of a group with what was said about it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.windows import betas, windows
from components.records import content_ids

TAKE = ["take_id", "source"]  # the take first: lots of takes (components/data/lots.py) follow one another in order
_OFF_TIMELINE = ("no_video", "outside_video")


def groups(narrations: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop the video groups that give no ego-exo clips: nobody narrated them, or no ego video belongs to them.

    Groups of the challenge splits do not come this far: components/data/sources rejects those without annotations
    and marks the others as held out.

    Returns:
        The videos of the groups kept; the groups dropped, one row each, with `row_id` (the take), `reason`, `detail`.
    """
    ego = videos["view"].eq("ego").groupby([videos[name] for name in TAKE]).agg(["any", "size"])
    narrated = ego.index.isin(pd.MultiIndex.from_frame(narrations[TAKE]))
    reason = np.select([~narrated, ~ego["any"]], ["group_without_narration", "group_without_ego_video"], "")
    dropped = ego[reason != ""].reset_index()
    dropped["reason"] = reason[reason != ""]
    dropped["row_id"], dropped["detail"] = dropped["take_id"], dropped["size"].astype(str) + " videos"
    of_kept = pd.MultiIndex.from_frame(videos[TAKE]).isin(ego.index[reason == ""])
    return videos[of_kept], dropped[["row_id", "reason", "detail"]]


def take_numbers(rows: pd.DataFrame, videos: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Number the takes of the videos by name and source, from 0.

    Returns:
        The number of the take of each of `rows`, shape [N], -1 where it has no video; and of each video, shape [V].
    """
    of_videos = pd.MultiIndex.from_frame(videos[TAKE])
    takes = of_videos.unique().sort_values()
    return takes.get_indexer(pd.MultiIndex.from_frame(rows[TAKE])), takes.get_indexer(of_videos)


def densities(narrations: pd.DataFrame, videos: pd.DataFrame, *, annotators: str) -> pd.Series:
    """Give the beta of each timeline of the training takes, seconds, in their order; NaN for a single narration.

    Equal times count once. Alpha is the mean over all takes.
    """
    timeline, duration_s = _timelines(narrations, videos, annotators)
    time_s = narrations["time_s"].to_numpy()
    trained = np.flatnonzero((time_s >= 0) & (time_s <= duration_s) & narrations["split"].eq("train").to_numpy())
    line = trained[sorted_rows(timeline[trained], time_s[trained])]
    line = line[~_repeats(timeline[line], time_s[line])]
    return betas(time_s[line], timeline=timeline[line])


def moments(
    narrations: pd.DataFrame,
    videos: pd.DataFrame,
    alpha_s: float,
    *,
    annotators: str,
    rule: str = "beta_over_alpha",
    clamp: bool = True,
    length_s: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give one span to each usable narration.

    Narrations that are unsure, empty or about another person ("O ...") are rejected but still stand on the timeline:
    they mark that something else happens then, so they count for the density and bound their neighbours.

    Args:
        narrations, videos: tables of components/records.py, of whole takes.
        alpha_s: mean of the `densities` of all takes.
        annotators: "merged" or "per_annotator".
        rule, clamp, length_s: how components/data/windows.py makes spans; the defaults are Exo2Ego's.

    Returns:
        The narrations kept, with `start_s`, `end_s` and `moment_id`; the rejects with `row_id`, `reason`, `detail`.
    """
    timeline, duration_s = _timelines(narrations, videos, annotators)
    time_s = narrations["time_s"].to_numpy()
    reason = _unusable(narrations, duration_s)
    on_line = ~np.isin(reason, _OFF_TIMELINE)
    # of equal times a usable narration stays
    line = sorted_rows(timeline, time_s, pd.Series(reason != ""), narrations["narration_id"])
    line = line[on_line[line]]
    again = _repeats(timeline[line], time_s[line])
    equal, line = line[again], line[~again]
    how = {"rule": rule, "clamp": clamp, "length_s": length_s}
    start_s, end_s = windows(time_s[line], duration_s[line], alpha_s, timeline=timeline[line], **how)
    reason[equal[reason[equal] == ""]] = "equal_time"
    reason[line[np.isnan(start_s) & (reason[line] == "")]] = "single_narration"
    good = reason[line] == ""
    rejected = np.concatenate([np.flatnonzero(~on_line), equal, line[~good]])
    rejects = narrations[["narration_id", "text"]].iloc[rejected].set_axis(["row_id", "detail"], axis=1)
    kept = narrations.iloc[line[good]].assign(start_s=start_s[good], end_s=end_s[good])
    spans = (map(repr, kept[name].tolist()) for name in ("start_s", "end_s"))
    kept = kept.assign(moment_id=content_ids("moment", kept["narration_id"].tolist(), *spans))
    return kept, rejects.assign(reason=reason[rejected])


def _timelines(narrations: pd.DataFrame, videos: pd.DataFrame, annotators: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the number of the timeline of each narration and the length of its take, NaN where it has no video."""
    take, of_video = take_numbers(narrations, videos)
    # frame-aligned cameras may differ by a frame at the end: a moment must lie inside all of them
    shortest_s = videos["duration_s"].groupby(of_video).min().to_numpy()
    duration_s = np.append(shortest_s, np.nan)[take]  # take -1, the unknown one, reads the last
    if annotators == "merged":
        return take, duration_s
    annotator, names = pd.factorize(narrations["annotator_id"], sort=True)
    return take * len(names) + annotator, duration_s


def _repeats(timeline: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Mark the rows, sorted by both, whose timeline and time are those of the row before."""
    again = np.zeros(len(time_s), dtype=bool)
    again[1:] = (timeline[1:] == timeline[:-1]) & (time_s[1:] == time_s[:-1])
    return again


def sorted_rows(group: np.ndarray, value: np.ndarray, *texts: pd.Series) -> np.ndarray:
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
