"""Narrations of takes become clips of every camera (systems §1.1-1.2, Exo2Ego and EgoVLP).

The narrations of a video group (a take with all its cameras) stand on a timeline, those of both annotators together or
of each alone, and a rule of components/data/clips/window_rules.py gives each a span, from the density of the timeline
and from alpha, the mean density of the training takes of its source. A narration that has a span keeps it. Every view
of the take gets the same span, under one `moment_id`. Two annotators who say nearly the same at nearly the same time
both stay: narration diversity. Sources without narrations have no part in the step.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data import sample_table
from components.data.clips.moments import densities, groups, moments, numbered, sorted_rows
from components.data.partition import runner
from components.data.statistics.running_moments import combine
from components.params import Data
from components.records import content_ids

PARTITION_ROWS = 100_000  # narrations and videos: their clips are five times as many

log = logging.getLogger(__name__)


def expand(moments: pd.DataFrame, videos: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pair every moment with every camera of its take.

    Args:
        moments: `take` (as `moments.numbered` returns it, of a take with videos), `start_s` and `moment_id`.
        videos: `take`, `view` and `video_id`.

    Returns:
        Row numbers into `moments` and into `videos`, shape [moments x views]; sorted by take, start and moment, the
        ego view of a moment before its exo views.
    """
    take, of_video = moments["take"].to_numpy(), videos["take"].to_numpy()
    camera = sorted_rows(of_video, pd.factorize(videos["view"], sort=True)[0], videos["video_id"])
    row = sorted_rows(take, moments["start_s"].to_numpy(), moments["moment_id"])
    views = np.bincount(of_video)
    # the cameras of a take follow one another in `camera`: each moment counts on from the first of its take
    times = views[take[row]]
    shift = (np.cumsum(views) - views)[take[row]] - (np.cumsum(times) - times)
    return np.repeat(row, times), camera[np.repeat(shift, times) + np.arange(times.sum())]


def clips(moments: pd.DataFrame, videos: pd.DataFrame, *, min_frames: int) -> tuple[pa.Table, pd.DataFrame]:
    """Make one clip of each moment for every view of its take.

    A moment that the annotator marked as not visible in ego has exo clips only.

    Args:
        moments: as `moments.moments` returns them.
        videos: of the same takes, as `moments.numbered` returns them.
        min_frames: a clip with fewer frames is rejected.

    Returns:
        Clips as in components/records/schemas.py (a row per moment and view); the rejected ones with `row_id` (the
        clip), `reason` and `detail`.
    """
    moment, video = expand(moments, videos)
    frames = ((moments["end_s"] - moments["start_s"]).to_numpy()[moment]) * videos["fps"].to_numpy()[video]
    # a small tolerance: 0.25 s at 8 frames/s are two frames whatever the floating-point error
    short = frames < min_frames - 1e-6
    seen = moments["ego_visible"].fillna(True).to_numpy(dtype=bool)
    hidden = videos["view"].eq("ego").to_numpy()[video] & ~seen[moment]
    good, bad = (np.flatnonzero(rows) for rows in (~(short | hidden), short | hidden))
    of_moment = {name: _pick(moments[name], moment[good]) for name in records.CLIP.names if name in moments}
    of_video = {name: _pick(videos[name], video[good]) for name in ("video_id", "view")}
    clip_ids = content_ids("clip", of_moment["moment_id"], of_video["video_id"])
    made = pa.table({"clip_id": clip_ids} | of_moment | of_video)
    parents = _pick(moments["moment_id"], moment[bad]), _pick(videos["video_id"], video[bad])
    n_frames = pd.Series(frames[bad]).round(3).astype(str)
    rejects = pd.DataFrame(
        {
            "row_id": content_ids("clip", *parents),
            "reason": np.where(hidden[bad], "not_visible_in_ego", "under_min_frames"),
            "detail": _pick(videos["view"], video[bad]).to_pandas() + " " + n_frames + " frames",
        }
    )
    return made.select(records.CLIP.names), rejects


def _pick(column: pd.Series, rows: np.ndarray) -> pa.Array:
    """Return the values of a column at some rows."""
    values = pa.array(column)
    # pandas keeps texts in chunks, of which rows are taken chunk by chunk
    return (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).take(pa.array(rows))


def count(moments: pd.DataFrame, made: pa.Table, rejects: pd.DataFrame) -> dict:
    """Count what a partition holds.

    Args:
        moments: of the partition.
        made: their clips.
        rejects: all rejected rows, with a `reason`.

    Returns:
        Counts, and `duration_s` and `words` of the moments that have a clip: [mean, standard deviation].
    """
    row = pc.index_in(made["moment_id"], pa.array(moments["moment_id"], made["moment_id"].type)).to_numpy()
    ego, exo = (np.bincount(row[pc.equal(made["view"], name)], minlength=len(moments)) for name in ("ego", "exo"))
    used = moments.loc[ego + exo > 0, ["start_s", "end_s", "text"]]
    duration_s, words = used["end_s"] - used["start_s"], _words(used["text"])
    return {
        "moments": len(used),
        "clips": {"ego": int(ego.sum()), "exo": int(exo.sum())},
        "ego_exo_pairs": int((ego * exo).sum()),
        "under_1s": int((duration_s < 1).sum()),
        "rejects": {reason: int(count) for reason, count in rejects["reason"].value_counts().items()},
    } | {
        name: [float(values.mean()), float(values.std(ddof=0))]
        for name, values in (("duration_s", duration_s), ("words", words))
    }


def _words(texts: pd.Series) -> pd.Series:
    """Return the number of words of each text."""
    number, distinct = pd.factorize(texts)
    return pd.Series(np.array([len(text.split()) for text in distinct], dtype=np.int64)[number])


def statistics(summaries: list[dict]) -> dict:
    """Return the statistics of Exo2Ego's Table 1, from what `count` returned of each partition."""
    with_moments = [summary for summary in summaries if summary["moments"]]
    moments = sum(summary["moments"] for summary in with_moments)
    of_moments = {
        name: reduce(combine, [(summary["moments"], *summary[name]) for summary in with_moments])
        if moments
        else (0, None, None)
        for name in ("duration_s", "words")
    }
    made, dropped = Counter(), Counter()
    for summary in summaries:
        made.update(summary["clips"])
        dropped.update(summary["rejects"])
    return {
        "moments": moments,
        "clips": {view: count for view, count in made.items() if count},
        "ego_exo_pairs": sum(summary["ego_exo_pairs"] for summary in with_moments),
        "duration_s": dict(zip(("mean", "std"), of_moments["duration_s"][1:], strict=True)),
        "share_under_1s": sum(summary["under_1s"] for summary in with_moments) / moments if moments else None,
        "words": dict(zip(("mean", "std"), of_moments["words"][1:], strict=True)),
        "rejects": dict(sorted(dropped.items())),
    }


def densities_of_partition(parameters: dict, tables: runner.Tables) -> dict[str, list[float]]:
    """Return the densities of the timelines of a partition by source, seconds; alpha is the mean of all of a source.

    Every source that has narrations is named.
    """
    columns = ["source", "take_id", "annotator_id", "time_s", "start_s", "split"]
    narrations = tables["annotations/narrations"].select(columns).to_pandas()
    narrations, videos = numbered(narrations, tables["annotations/videos"].to_pandas())
    videos, _ = groups(narrations, videos)
    found: dict[str, list[float]] = {source: [] for source in narrations["source"].unique()}
    beta_s = densities(narrations, videos, annotators=parameters["annotators"])
    return found | {str(source): of_source.to_list() for source, of_source in beta_s.groupby(level=0)}


def combine_densities(found: list[dict[str, list[float]]]) -> dict[str, dict[str, float | None]]:
    """Return the alpha of each source that has narrations, seconds, from the densities of all partitions.

    It is None where no training take has two narrations at different times.
    """
    densities_s: defaultdict[str, list[float]] = defaultdict(list)
    for of_partition in found:
        for source, betas_s in of_partition.items():
            densities_s[source] += betas_s
    means = {source: pd.Series(betas_s, dtype=np.float64).mean() for source, betas_s in sorted(densities_s.items())}
    return {"alpha_s": {source: float(mean) if mean > 0 else None for source, mean in means.items()}}


def make(parameters: dict, tables: runner.Tables) -> tuple[pa.Table, pa.Table, runner.RowCounts, dict]:
    """Make the clips of a partition, as `runner.Step.make` does; `parameters` are those of `build` and `alpha_s`."""
    rule = dict(parameters)
    min_frames, alpha_s = rule.pop("min_frames"), rule.pop("alpha_s")
    filmed = tables["annotations/videos"]
    narrated = filmed.filter(pc.is_in(filmed["source"], pa.array(alpha_s, pa.string())))
    narrations, videos = numbered(tables["annotations/narrations"].to_pandas(), narrated.to_pandas())
    kept_videos, no_group = groups(narrations, videos)
    kept, unusable = moments(narrations, kept_videos, alpha_s, **rule)
    made, short = clips(kept, kept_videos, min_frames=min_frames)
    rejects = pd.concat([unusable, short, no_group], ignore_index=True)
    views = int(np.bincount(kept_videos["take"])[kept["take"]].sum())
    row_counts = [
        ("groups", *(rows["take"].nunique() for rows in (videos, kept_videos)), len(no_group)),
        ("narrations", len(narrations), len(kept), len(unusable)),
        ("views", views, len(made), len(short)),
    ]
    summary = count(kept, made, rejects) | {"narrations": len(narrations), "alpha_s": alpha_s}
    return made, sample_table.rejects("clips", [rejects]), row_counts, summary


STEP = runner.Step(
    "clips",
    ("annotations/videos", "annotations/narrations"),
    make,
    ("clips", "rejects"),
    survey=runner.Survey(densities_of_partition, combine_densities),
    distinct=("clip_id", "moment_id", "narration_id", "start_s", "end_s"),
)


def build(data_dir: Path, *, rows: int, **options: object) -> tuple[dict, runner.RowCounts]:
    """Write data/clips/{clips,rejects}.parquet, partition by partition.

    Args:
        data_dir: the folder data/.
        rows: narrations and videos in one partition.
        options: `annotators`, `rule`, `clamp` and `length_s` of `moments`, and `min_frames`.

    Returns:
        The statistics and the row counts: (what, rows in, rows out, rejected) for each time rows may drop.
    """
    row_counts, summaries = runner.run(STEP, options, data_dir, rows=rows)
    # alpha is the same in every partition; without videos and narrations there is none
    alpha_s = summaries[0]["alpha_s"] if summaries else {}
    if not alpha_s:
        log.info("clips: no source has narrations of takes, so that there are no clips")
    counts = {"alpha_s": alpha_s, "narrations": sum(summary["narrations"] for summary in summaries)}
    return counts | statistics(summaries), row_counts


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations, write data/clips/{clips,rejects}.parquet and stats.json.

    Returns:
        `counts` (the statistics) and `row_counts`, as `build` returns them.
    """
    options = params.clips.model_dump()
    counts, row_counts = build(data_dir, rows=PARTITION_ROWS, **options)
    (data_dir / "clips/stats.json").write_text(
        json.dumps({"window": options} | counts, indent=2, allow_nan=False) + "\n"
    )
    return {"counts": counts, "row_counts": row_counts}
