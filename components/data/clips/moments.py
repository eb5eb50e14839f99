"""Narrations become moments: which video groups and narrations are used, and the span of each (systems §1.1-1.2).

A video group is a take with all its cameras; a moment is a span of a group with what was said about it. A narration
that has a span keeps it; one of a single time gets its span from the timeline of its take, by a window rule.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.clips.window_rules import betas, firsts, windows
from components.records import content_ids

# the take first: partitions of takes (components/data/partition/runner.py) follow one another in the order of take ids
TAKE = ["take_id", "source"]
_OFF_TIMELINE = ("no_video", "outside_video")


def numbered(narrations: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add to both tables a column `take`: the number of the take, by name and source from 0; -1 where it has no video.

    All functions below read it: looking takes up by their names would take longer than all that is computed of them.
    """
    known = [sorted(videos[name].unique()) for name in TAKE]

    def places(rows: pd.DataFrame) -> tuple[np.ndarray, ...]:
        columns = (pa.array(rows[name]) for name in TAKE)
        found = (
            pc.index_in(column, pa.array(names, column.type)) for column, names in zip(columns, known, strict=True)
        )
        return tuple(place.fill_null(-1).to_numpy(zero_copy_only=False) for place in found)

    # by name and by source, with a last row and column for -1, the place of what no video has
    number = np.full([len(names) + 1 for names in known], -1)
    of_video = places(videos)
    number[of_video] = 0
    number[number == 0] = np.arange(np.count_nonzero(number == 0))
    return narrations.assign(take=number[places(narrations)]), videos.assign(take=number[of_video])


def groups(narrations: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop the video groups that have no ego-exo clips: nobody narrated them, or no ego video belongs to them.

    Groups of the challenge splits do not come this far: components/data/sources rejects those without annotations
    and marks the others as held out.

    Returns:
        The videos of the groups kept; the groups dropped, one row each, with `row_id` (the take), `reason`, `detail`.
    """
    of_video, take = videos["take"].to_numpy(), narrations["take"].to_numpy()
    size = np.bincount(of_video)
    ego = np.bincount(of_video[videos["view"].eq("ego").to_numpy()], minlength=len(size))
    said = np.bincount(take[take >= 0], minlength=len(size))
    reason = np.select([said == 0, ego == 0], ["group_without_narration", "group_without_ego_video"], "")
    dropped = videos.loc[reason[of_video] != "", ["take_id", "take"]].drop_duplicates("take").sort_values("take")
    out = dropped["take"].to_numpy()
    dropped = dropped[["take_id"]].set_axis(["row_id"], axis=1).reset_index(drop=True)
    dropped["reason"], dropped["detail"] = reason[out], pd.Series(size[out]).astype(str) + " videos"
    return videos[reason[of_video] == ""], dropped


def densities(narrations: pd.DataFrame, videos: pd.DataFrame, *, annotators: str) -> pd.Series:
    """Return the beta of each timeline of the training takes, seconds, in their order; NaN for a single narration.

    Alpha is the mean over all takes of a source.

    Args:
        narrations: as `numbered` returns it; equal times of a timeline count once, and those with a span do not count.
        videos: as `numbered` returns it.
        annotators: "merged" (one timeline for each take) or "per_annotator".

    Returns:
        A series with the source of each timeline as its index.
    """
    timeline, duration_s = _timelines(narrations, videos, annotators)
    time_s = narrations["time_s"].to_numpy()
    inside = (time_s >= 0) & (time_s <= duration_s) & narrations["start_s"].isna().to_numpy()
    trained = np.flatnonzero(inside & narrations["split"].eq("train").to_numpy())
    line = trained[sorted_rows(timeline[trained], time_s[trained])]
    line = line[~_repeats(timeline[line], time_s[line])]
    beta_s = betas(time_s[line], timeline=timeline[line])
    return beta_s.set_axis(narrations["source"].iloc[line[firsts(timeline[line])]])


def moments(
    narrations: pd.DataFrame,
    videos: pd.DataFrame,
    alpha_s: dict[str, float | None],
    *,
    annotators: str,
    rule: str = "beta_over_alpha",
    clamp: bool = True,
    length_s: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the span of each usable narration.

    Narrations that are unsure, empty or about another person (`subject` O) are rejected but still stand on the
    timeline: they mark that something else happens then, so they count for the density and bound their neighbours.
    Narrations with a span of their own stand on no timeline, and end with their video at the latest.

    Args:
        narrations: of whole takes, as `numbered` returns them.
        videos: of the same takes, as `numbered` returns them.
        alpha_s: source -> mean of the `densities` of all its takes; None where it has none.
        annotators: "merged" (one timeline for each take) or "per_annotator".
        rule: of components/data/clips/window_rules.py, as are the next two; the defaults are Exo2Ego's.
        clamp: whether spans are cut at the neighbouring narrations.
        length_s: of a span, for the rules that have a fixed length; None is alpha.

    Returns:
        The narrations kept, with `start_s`, `end_s` and `moment_id`; the rejects with `row_id`, `reason`, `detail`.
    """
    timeline, duration_s = _timelines(narrations, videos, annotators)
    time_s = narrations["time_s"].to_numpy()
    own_s = narrations[["start_s", "end_s"]].to_numpy(np.float64, copy=True)
    spanned = ~np.isnan(own_s[:, 0])
    reason = _unusable(narrations, np.where(spanned, own_s[:, 0], time_s), duration_s)
    on_line = ~np.isin(reason, _OFF_TIMELINE) & ~spanned
    line = np.flatnonzero(on_line)
    # of equal times a usable narration stays
    texts = pd.Series(reason[line] != ""), narrations["narration_id"].iloc[line]
    line = line[sorted_rows(timeline[line], time_s[line], *texts)]
    again = _repeats(timeline[line], time_s[line])
    equal, line = line[again], line[~again]
    how = {"rule": rule, "clamp": clamp, "length_s": length_s}
    alpha_of_line_s = _alpha_of_take(videos, alpha_s)[narrations["take"].to_numpy()[line]]
    start_s, end_s = windows(time_s[line], duration_s[line], alpha_of_line_s, timeline=timeline[line], **how)
    reason[equal[reason[equal] == ""]] = "equal_time"
    spanless = np.isnan(start_s) & (reason[line] == "")
    reason[line[spanless]] = np.where(np.isnan(alpha_of_line_s[spanless]), "no_alpha", "single_narration")
    own_s[line, 0], own_s[line, 1] = start_s, end_s
    good = reason[line] == ""
    rejected = np.concatenate([np.flatnonzero(~on_line & (reason != "")), equal, line[~good]])
    rejects = narrations[["narration_id", "text"]].iloc[rejected].set_axis(["row_id", "detail"], axis=1)
    rows = np.concatenate([line[good], np.flatnonzero(spanned & (reason == ""))])
    kept = narrations.iloc[rows].assign(start_s=own_s[rows, 0], end_s=np.minimum(own_s[rows, 1], duration_s[rows]))
    spans_s = (kept[name].to_numpy() for name in ("start_s", "end_s"))
    kept = kept.assign(moment_id=pd.array(content_ids("moment", kept["narration_id"], *spans_s), dtype="str"))
    return kept, rejects.assign(reason=reason[rejected])


def _timelines(narrations: pd.DataFrame, videos: pd.DataFrame, annotators: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the timeline of each narration and the length of its take, NaN where it has no video."""
    take = narrations["take"].to_numpy()
    # frame-aligned cameras may differ by a frame at the end: a moment must lie inside all of them
    shortest_s = videos["duration_s"].groupby(videos["take"]).min()
    length_s = np.full(max(take.max(initial=-1), shortest_s.index.max() if len(shortest_s) else -1) + 2, np.nan)
    length_s[shortest_s.index] = shortest_s
    duration_s = length_s[take]  # take -1, the unknown one, reads the last
    if annotators == "merged":
        return take, duration_s
    annotator, names = pd.factorize(narrations["annotator_id"], sort=True)
    return take * len(names) + annotator, duration_s


def _alpha_of_take(videos: pd.DataFrame, alpha_s: dict[str, float | None]) -> np.ndarray:
    """Return the alpha of the source of each take by its number; NaN where it has none, and at the end, for take -1."""
    takes = videos[["take", "source"]].drop_duplicates("take")
    found = np.full(takes["take"].max() + 2 if len(takes) else 1, np.nan)
    found[takes["take"]] = takes["source"].map(alpha_s)
    return found


def _repeats(timeline: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Mark the rows, sorted by both, whose timeline and time are those of the row before."""
    again = np.zeros(len(time_s), dtype=bool)
    again[1:] = (timeline[1:] == timeline[:-1]) & (time_s[1:] == time_s[:-1])
    return again


def sorted_rows(group: np.ndarray, value: np.ndarray, *texts: pd.Series) -> np.ndarray:
    """Return the row numbers that sort by group, value and then the texts, which are read only where those are equal.

    Args:
        group: integers, shape [N]; the largest is less than 2^32 above the smallest.
        value: numbers, shape [N].
        texts: columns of N texts.
    """
    # np.lexsort takes fifteen times as long. NumPy's stable sort of 16 bits is a radix sort: digit by digit it sorts
    # the group and the upper half of the value; rows that are equal in these are sorted again by the whole value
    value = np.asarray(value, dtype=np.float64) + 0.0  # no -0.0, which is equal to 0.0 and has other bits
    upper = (value.view(np.int64) >> 32).astype(np.int32)
    upper ^= (upper >> 31) & np.int32(2**31 - 1)  # bits of negative numbers grow the other way
    key = (group.astype(np.int64) - group.min(initial=0)) << 32 | (upper.astype(np.int64) + 2**31)
    order = np.arange(len(key))
    if not (key[1:] >= key[:-1]).all():  # moments stand in order already where there is one timeline for each take
        for shift in range(0, int(key.max()).bit_length(), 16):
            digit = (key >> shift).astype(np.uint16)
            order = order[np.argsort(digit[order], kind="stable")]
        key = key[order]
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] = key[1:] == key[:-1]
    tied[:-1] |= tied[1:]
    rows = order[tied]
    ranks = [text.iloc[rows].rank(method="min") for text in reversed(texts)]
    order[tied] = rows[np.lexsort((*ranks, value[rows], group[rows]))]
    return order


def _unusable(narrations: pd.DataFrame, starts_s: np.ndarray, duration_s: np.ndarray) -> np.ndarray:
    """Return the reason why each narration has no clip, "" where it may have one. Shape [N], text."""
    reasons = {
        "no_video": np.isnan(duration_s),
        "outside_video": ~((starts_s >= 0) & (starts_s <= duration_s)),
        "empty_text": narrations["text"].str.strip() == "",
        "not_camera_wearer": narrations["subject"].eq("O"),
        "unsure": narrations["unsure"].eq(True),  # null: not known
    }
    return np.select([np.asarray(holds, dtype=bool) for holds in reasons.values()], list(reasons), "").astype(object)
