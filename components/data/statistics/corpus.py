"""The statistics of Ego-ExoClip that its paper prints: counts, durations, words, scenarios, and what was dropped where.

A reproduction is right when, on the real release, they agree with components/data/statistics/paper_figures.py; on the
miniature world they only show that every number is there.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import reduce
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from components import records
from components.data.sources import egoexo4d
from components.data.statistics import counts
from components.data.statistics.counts import CorpusCounts, Distribution
from components.data.statistics.paper_figures import FIGURES
from components.params import Data

TOLERANCE = 0.05  # published counts are rounded to two to four digits
BATCH_ROWS = 100_000  # of a table, read at once
_SPLITS = {"train": "kept, train", "test": "held out (val)"}


def read(params: Data, data_dir: Path, *, rows: int = BATCH_ROWS) -> dict:
    """Compute the statistics from the tables below `data_dir` and the takes of Ego-Exo4D; reads each table once.

    Args:
        params: where Ego-Exo4D is.
        data_dir: the folder data/.
        rows: of a table, read at once.

    Returns:
        As `numbers`, and `alpha_s` and `window`: how moments were made, from data/clips/stats.json.

    Raises:
        ValueError: a table has other columns than components/records/schemas.py says, or a file of the release is
            missing.
    """

    def frames(table: str, columns: list[str]) -> Iterator[pd.DataFrame]:
        path, schema = data_dir / f"{table}.parquet", records.SCHEMAS[table.split("/")[1]]
        return (batch.to_pandas() for batch in records.read_batches(path, schema, columns, rows=rows))

    root = params.sources.egoexo4d
    listed = [] if root is None else egoexo4d.takes(data_dir.resolve().parent / root)
    takes = pd.DataFrame(listed, columns=["take_id", "scenario", "refused"])
    clips = json.loads((data_dir / "clips/stats.json").read_text())
    found = chain(
        counts.of_clips(frames("clips/clips", counts.CLIP_COLUMNS)),
        map(counts.of_videos, frames("annotations/videos", counts.VIDEO_COLUMNS)),
        map(counts.of_narrations, frames("annotations/narrations", counts.NARRATION_COLUMNS)),
        map(counts.of_rejects, frames("annotations/rejects", counts.REJECT_COLUMNS)),
        map(counts.of_rejects, frames("clips/rejects", counts.REJECT_COLUMNS)),
    )
    return numbers(takes, reduce(counts.add, found, CorpusCounts())) | {
        "alpha_s": clips["alpha_s"].get(egoexo4d.SOURCE),
        "window": clips["window"],
    }


def numbers(takes: pd.DataFrame, total: CorpusCounts) -> dict:
    """Put the statistics of the corpus together.

    Args:
        takes: every take of the release: `take_id`, `scenario`, `refused` (the reason, or None).
        total: the counts of all rows.

    Returns:
        `groups_before`, `groups` by fate, `splits` (the corpus of each split, see `of_corpus`), `scenarios` of the
        training takes and `drops` by step and reason.
    """
    return {
        "groups_before": len(takes),
        "groups": {fate: int(count) for fate, count in _fates(takes, total).value_counts().items()},
        "splits": {split: of_corpus(total, split) for split in _SPLITS},
        "scenarios": _scenarios(takes, total),
        "drops": _drops(total),
    }


def of_corpus(total: CorpusCounts, split: str) -> dict:
    """Return the statistics of one split: means and deviations are of moments, all else is of the takes with a clip.

    Args:
        total: the counts of all rows.
        split: "train" or "test".

    Returns:
        Counts, `hours` of video, `duration_s` and `words` as {mean, std}, `under_1s_percent`, `longest_s`, and two
        histograms as [[from, to, moments], ...], `to` None for the open end.
    """
    takes = _moments(total, split)
    moments = sum(takes.values())
    no_moment = np.array([])
    duration_s = total.duration_s.get(split) or counts.distribution(no_moment, counts.DURATION_EDGES_S)
    words = total.words.get(split) or counts.distribution(no_moment, counts.WORD_EDGES)
    return {
        "groups": len(takes),
        "videos": sum(total.videos.get(take, 0) for take in takes),
        "hours": float(sum(total.video_s.get(take, 0.0) for take in takes) / 3600),
        "narrations_read": sum(total.narrations.get(take, 0) for take in takes),
        "narrations": moments,
        "ego_clips": total.clips.get((split, "ego"), 0),
        "exo_clips": total.clips.get((split, "exo"), 0),
        "duration_s": _mean_std(duration_s),
        "under_1s_percent": 100 * (total.under_1s.get(split, 0) / moments) if moments else None,
        "longest_s": duration_s.largest if moments else None,
        "words": _mean_std(words),
        "duration_histogram": _histogram(duration_s, counts.DURATION_EDGES_S),
        "word_histogram": _histogram(words, counts.WORD_EDGES),
    }


def comparison(found: dict) -> list[dict]:
    """Compare the statistics of the training takes with the published ones.

    Args:
        found: as `read` returns it.

    Returns:
        For each figure of components/data/statistics/paper_figures.py: name, label, unit, digits, ours, ours_spread,
        published, published_spread, ratio, and whether ours `agrees` within TOLERANCE (mean and spread); None where we
        have none.
    """
    ours = found | found["splits"]["train"]
    rows = []
    for figure in FIGURES:
        value = ours[figure.name]
        mean, spread = (value["mean"], value["std"]) if isinstance(value, dict) else (value, None)
        pairs = [(mean, figure.value)] + ([(spread, figure.spread)] if figure.spread is not None else [])
        known = all(mine is not None for mine, _ in pairs)
        rows.append(
            {
                "name": figure.name,
                "label": figure.label,
                "unit": figure.unit,
                "digits": figure.digits,
                "ours": mean,
                "ours_spread": spread,
                "published": figure.value,
                "published_spread": figure.spread,
                "ratio": mean / figure.value if known else None,
                "agrees": all(abs(mine / printed - 1) <= TOLERANCE for mine, printed in pairs) if known else None,
            }
        )
    return rows


def _moments(total: CorpusCounts, split: str) -> dict[str, int]:
    """Return the moments of each take that has clips in a split."""
    return {take: count for (of_split, take), count in total.moments.items() if of_split == split}


def _mean_std(found: Distribution) -> dict:
    count, mean, std = found.statistics
    return {"mean": mean if count else None, "std": std if count else None}


def _histogram(found: Distribution, edges: tuple) -> list[list]:
    low, high = edges[:-1], edges[1:]
    return [[start, end, int(count)] for start, end, count in zip(low, high, found.histogram, strict=True)]


def _fates(takes: pd.DataFrame, total: CorpusCounts) -> pd.Series:
    """Return where each take was dropped, or in which split its clips are."""
    take = takes["take_id"]
    reason = take.map({of_take: reason for of_take, reason in total.dropped_groups})
    split = take.map({of_take: _SPLITS[of_split] for of_split, of_take in reversed(total.moments)})
    no_clip = pd.Series("no_usable_narration", index=take.index).where(take.isin(list(total.videos)), "no_video")
    return takes["refused"].fillna(reason).fillna(split).fillna(no_clip)


def _scenarios(takes: pd.DataFrame, total: CorpusCounts) -> list[dict]:
    """Return the groups, hours and narrations of each scenario that has clips, the largest first."""
    scenario_of = dict(zip(takes["take_id"], takes["scenario"], strict=True))
    narrations, groups, seconds = Counter(), Counter(), defaultdict(float)
    for take, count in _moments(total, "train").items():
        if take in scenario_of:
            narrations[scenario_of[take]] += count
            groups[scenario_of[take]] += 1
            seconds[scenario_of[take]] += total.video_s.get(take, 0.0)
    return [
        {
            "scenario": name,
            "groups": groups[name],
            "hours": seconds[name] / 3600,
            "narrations": count,
            "narrations_percent": 100 * count / narrations.total(),
        }
        for name, count in narrations.most_common()
    ]


def _drops(total: CorpusCounts) -> list[dict]:
    """Return the rows dropped by step and reason, those of a step with the most frequent reason first."""
    order = sorted(total.drops.items(), key=lambda drop: (drop[0][0], -drop[1], drop[0][1]))
    return [{"step": step, "reason": reason, "rows": rows} for (step, reason), rows in order]
