"""The section on EgoRe's filter funnel: clips after each stage beside the published ones, and scores of its models.

In the miniature world the truth of each film is known, so there the funnel's decisions are compared with it too.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from components import params, records
from components.data.funnel import classifier_metrics
from components.data.statistics import paper_figures
from components.world import web
from components.world.__main__ import MARK

LABELS = {
    "candidates": "candidate clips: sentences and captions of 1 to 10 s",
    "read": "of videos that can be read",
    "ego": "ego, says the classifier",
    "hands": "one or two hands that move, objects near",
    "all": "with the ego clips of the takes",
}


def read(parameters: params.Data, data_dir: Path) -> dict | None:
    """Read the numbers of the funnel below `data_dir`.

    Returns:
        None where no web corpus was given. Else `stages` (label, clips, published, and rejects by reason),
        `classifier` and `detector` as in classifier.json, and `truth` of a miniature world (see `against_truth`).
    """
    folder = data_dir / "funnel"
    rows = records.read_table(folder / "table.parquet", records.FUNNEL).to_pylist()
    if not (folder / "classifier.json").is_file() or not rows[0]["rows_in"]:
        return None
    views = pq.read_table(data_dir / "clips/clips.parquet", columns=["view"])["view"].to_pandas()
    with_takes: dict[str, Any] = {
        "stage": "all",
        "rows_out": rows[-1]["rows_out"] + int((views == "ego").sum()),
        "reasons": [],
    }
    stages = [
        {
            "label": LABELS[row["stage"]],
            "clips": row["rows_out"],
            "published": paper_figures.FUNNEL.get(row["stage"]),
            "reasons": row["reasons"],
        }
        for row in [*rows, with_takes]
    ]
    models = json.loads((folder / "classifier.json").read_text())
    known = {name: root for name, root in parameters.sources.given().items() if name in web.CORPORA}
    miniature = all((data_dir.resolve().parent / root / MARK).is_file() for root in known.values())
    truth = against_truth(folder, parameters.seed, parameters.world.web_videos) if miniature else None
    return {
        "stages": stages,
        "classifier": models["classifier"],
        "detector": models["detector"],
        "published": paper_figures.CLASSIFIER,
        "source": paper_figures.FUNNEL_SOURCE,
        "truth": truth,
    }


def against_truth(folder: Path, seed: int, videos: int) -> dict:
    """Compare the funnel's decisions with the true kind of each miniature film.

    Args:
        folder: data/funnel.
        seed: of the world.
        videos: number of web films in it.

    Returns:
        `classifier`: accuracy and AUC on the clips of web video, with intervals over videos; `kinds`: for each kind of
        film its clips, and how many of them were kept.
    """
    columns = ["clip_id", "take_id", "ego_score", "reason"]
    scored = pd.concat([pq.read_table(path, columns=columns).to_pandas() for path in sorted(folder.glob("scores/*"))])
    kept = set(pq.read_table(folder / "kept.parquet", columns=["clip_id"])["clip_id"].to_pylist())
    scored["kind"] = scored["take_id"].map({each.vid: each.kind for each in web.plan_videos(seed, videos)})
    scored["kept"] = scored["clip_id"].isin(kept)
    read = scored[scored["reason"] == ""]
    is_ego = (read["kind"] != "whole_room").to_numpy()
    judged = classifier_metrics.evaluate(read["ego_score"].to_numpy(), is_ego, read["take_id"].to_numpy(), seed=seed)
    kinds = scored.groupby("kind").agg(clips=("kept", "size"), kept=("kept", "sum"))
    return {
        "classifier": {name: asdict(value) for name, value in judged.items()},
        "kinds": [{"kind": kind, **{name: int(row[name]) for name in kinds}} for kind, row in kinds.iterrows()],
    }
