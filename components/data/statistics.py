"""What Ego-ExoClip holds, in the numbers of its paper: counts, durations, words, scenarios, and what was dropped where.

A reproduction is right when these numbers are those of components/data/published.py on the real release; on the
miniature world they only show that every number is there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from components import records
from components.data.published import FIGURES
from components.data.sources import egoexo4d
from components.params import Data

TOLERANCE = 0.05  # published counts are rounded to two to four digits
DURATION_EDGES_S = (*np.round(np.arange(0, 3.01, 0.2), 1).tolist(), None)  # None: no upper end
WORD_EDGES = (*range(0, 31, 2), None)
_SPLITS = {"train": "kept, train", "test": "held out (val)"}
_TABLES = {
    "videos": "annotations/videos",
    "narrations": "annotations/narrations",
    "refused": "annotations/rejects",
    "clips": "clips/clips",
    "dropped": "clips/rejects",
}


def read(params: Data, data_dir: Path) -> dict:
    """Compute the numbers from the tables below `data_dir` and the takes of Ego-Exo4D.

    Raises:
        ValueError: a table has other columns than components/records.py says, or a file of the release is missing.
    """
    tables = {
        name: records.read_table(data_dir / f"{path}.parquet", records.SCHEMAS[path.split("/")[1]]).to_pandas()
        for name, path in _TABLES.items()
    }
    takes = pd.DataFrame(egoexo4d.takes(data_dir.resolve().parent / params.sources.egoexo4d))
    made = json.loads((data_dir / "clips/stats.json").read_text())
    return numbers(takes, **tables) | {"alpha_s": made["alpha_s"], "window": made["window"]}


def numbers(
    takes: pd.DataFrame,
    *,
    videos: pd.DataFrame,
    narrations: pd.DataFrame,
    refused: pd.DataFrame,
    clips: pd.DataFrame,
    dropped: pd.DataFrame,
) -> dict:
    """Sum up the corpus.

    Args:
        takes: every take of the release: `take_id`, `scenario`, `refused` (the reason, or None).
        videos, narrations, clips: tables of components/records.py; rows of other sources are left out.
        refused, dropped: the rejects of the steps `annotations` and `clips`.

    Returns:
        `groups_before`, `groups` by fate, `splits` (the corpus of each split, see `of_corpus`), `scenarios` of the
        training takes and `drops` by step and reason.
    """
    own = (table[table["source"] == egoexo4d.SOURCE] for table in (videos, narrations, clips))
    videos, narrations, clips = own
    fates = _fates(takes, videos, clips, dropped)
    splits = {split: of_corpus(videos, narrations, clips, split) for split in _SPLITS}
    return {
        "groups_before": len(takes),
        "groups": {fate: int(count) for fate, count in fates.value_counts().items()},
        "splits": splits,
        "scenarios": _scenarios(takes, videos, clips[clips["split"] == "train"]),
        "drops": _drops(refused[refused["step"] == f"annotations/{egoexo4d.SOURCE}"], dropped),
    }


def of_corpus(videos: pd.DataFrame, narrations: pd.DataFrame, clips: pd.DataFrame, split: str) -> dict:
    """Give the numbers of one split: means and standard deviations are of moments, all else of the takes with a clip.

    Returns:
        Counts, `hours` of video, `duration_s` and `words` as {mean, std}, `under_1s_percent`, `longest_s`, and two
        histograms as [[from, to, moments], ...], `to` None for the open end.
    """
    clips = clips[clips["split"] == split]
    moments = clips.drop_duplicates("moment_id")
    used = videos[videos["take_id"].isin(clips["take_id"])]
    duration_s = (moments["end_s"] - moments["start_s"]).to_numpy()
    words = moments["text"].str.split().str.len().to_numpy(dtype=np.float64)
    is_ego = clips["view"] == "ego"
    return {
        "groups": int(clips["take_id"].nunique()),
        "videos": len(used),
        "hours": float(used["duration_s"].sum() / 3600),
        "narrations_read": int(narrations["take_id"].isin(clips["take_id"]).sum()),
        "narrations": len(moments),
        "ego_clips": int(is_ego.sum()),
        "exo_clips": int((~is_ego).sum()),
        "duration_s": _mean(duration_s),
        "under_1s_percent": float(100 * (duration_s < 1).mean()) if len(moments) else None,
        "longest_s": float(duration_s.max()) if len(moments) else None,
        "words": _mean(words),
        "duration_histogram": _histogram(duration_s, DURATION_EDGES_S),
        "word_histogram": _histogram(words, WORD_EDGES),
    }


def comparison(found: dict) -> list[dict]:
    """Put the numbers of the training takes beside the published ones.

    Returns:
        For each figure of components/data/published.py: name, label, unit, digits, ours, ours_spread, published,
        published_spread, ratio, and whether ours `agrees` within TOLERANCE (mean and spread); None where we have none.
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


def _mean(values: np.ndarray) -> dict:
    known = len(values) > 0
    return {"mean": float(values.mean()) if known else None, "std": float(values.std()) if known else None}


def _histogram(values: np.ndarray, edges: tuple) -> list[list]:
    low, high = edges[:-1], edges[1:]
    counts, _ = np.histogram(values, bins=[*low, np.inf])
    return [[start, end, int(count)] for start, end, count in zip(low, high, counts, strict=True)]


def _fates(takes: pd.DataFrame, videos: pd.DataFrame, clips: pd.DataFrame, dropped: pd.DataFrame) -> pd.Series:
    """Say of every take where it was dropped, or in which split its clips are."""
    take = takes["take_id"]
    reason = take.map(dropped[dropped["reason"].str.startswith("group_")].set_index("row_id")["reason"])
    split = take.map(clips.drop_duplicates("take_id").set_index("take_id")["split"]).map(_SPLITS)
    no_clip = pd.Series("no_usable_narration", index=take.index).where(take.isin(videos["take_id"]), "no_video")
    return takes["refused"].fillna(reason).fillna(split).fillna(no_clip)


def _scenarios(takes: pd.DataFrame, videos: pd.DataFrame, clips: pd.DataFrame) -> list[dict]:
    """Give the groups, hours and narrations of each scenario that has clips, the largest first."""
    of_take = takes.set_index("take_id")["scenario"]
    moments = clips.drop_duplicates("moment_id")["take_id"].map(of_take).value_counts()
    used = videos[videos["take_id"].isin(clips["take_id"])]
    hours = used.groupby(used["take_id"].map(of_take))["duration_s"].sum() / 3600
    groups = used.drop_duplicates("take_id")["take_id"].map(of_take).value_counts()
    return [
        {
            "scenario": name,
            "groups": int(groups[name]),
            "hours": float(hours[name]),
            "narrations": int(count),
            "narrations_percent": float(100 * count / moments.sum()),
        }
        for name, count in moments.items()
    ]


def _drops(*rejects: pd.DataFrame) -> list[dict]:
    counted = pd.concat(rejects).groupby(["step", "reason"]).size().rename("rows").reset_index()
    order = counted.sort_values(["step", "rows", "reason"], ascending=[True, False, True])
    return [{"step": row.step, "reason": row.reason, "rows": int(row.rows)} for row in order.itertuples()]
