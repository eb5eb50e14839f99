"""From a score back: the items it stands on, the seconds of film they show, the rows of annotation they were made from.

Run as: python -m components.evaluation.lineage qa/accuracy --checkpoint checkpoints/grpo-… --data data

Read are the predictions of an evaluation and the tables of the data graph; nothing is stored for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.evaluation import alignment, mapping, perception
from components.evaluation.items import MODEL
from components.params.evaluation import LOWER
from components.params.mistakes import meant
from components.params.overrides import title

# table -> the column by which samples name their parents, and what says what a row is
PARENTS = {
    "clips/clips": ("clip_id", records.CLIP),
    "funnel/clips": ("clip_id", records.CLIP),
    "annotations/narrations": ("narration_id", records.NARRATION),
    "annotations/point_narrations": ("narration_id", records.NARRATION),
    "annotations/intervals": ("interval_id", records.INTERVAL),
    "annotations/boxes": ("box_id", records.BOX_LABEL),
    "annotations/captions": ("caption_id", records.CAPTION),
    "annotations/questions": ("question_id", records.QUESTION),
}
# tasks that show the exo frames of an ego sample
FROM_OUTSIDE = (mapping.TRUE_EXO, alignment.TASK, perception.EXO)
TOLD = ("source", "text", "name", "question", "time_s", "start_s", "end_s")


def of_metric(predictions: Path, data: Path, metric: str, *, limit: int | None = None) -> pd.DataFrame:
    """Return what a score stands on, item by item: worst first.

    Args:
        predictions: `predictions.parquet` of an evaluation.
        data: folder of the data graph.
        metric: "<task>/<score>", as in metrics.json.
        limit: most items; None for all.

    Returns:
        One row for each item: `score`, `question`, `answer`, `completion`, the film with its seconds (`path`,
        `start_s`, `end_s`; of a pair of views that of ego), and `annotation`, the rows that its question was made from.

    Raises:
        ValueError: no such metric, with those there are; no such evaluation, or one of other data.
    """
    if not predictions.is_file():
        raise ValueError(f"{predictions} is not there: name a stage that was evaluated, or run `egoflow evaluate`")
    table = records.read_table(predictions, records.PREDICTION).to_pandas()
    asked = table[table["condition"] == MODEL]
    names = sorted(set(asked["task"] + "/" + asked["score_name"]))
    rows = asked[asked["task"] + "/" + asked["score_name"] == metric].dropna(subset="score")
    if rows.empty:
        raise ValueError(f"{predictions} has no {metric!r}{meant(metric, names)}, allowed are {names}")
    task, _, score = metric.partition("/")
    rows = rows.sort_values(["score", "sample_id"], ascending=[score not in LOWER, True])
    rows = rows.head(len(rows) if limit is None else limit)
    samples = records.read_table(data / "dataset/samples.parquet", records.SAMPLE).to_pandas().set_index("sample_id")
    if lost := set(rows["sample_id"]) - set(samples.index):
        raise ValueError(
            f"{len(lost)} of its samples are not in {data}: it was evaluated on other data; run `egoflow evaluate`"
        )
    videos = records.read_videos(data).to_pandas().set_index("video_id")
    origins = _origins(data, {parent for row in rows["sample_id"] for parent in samples.loc[row, "parents"]})
    made = []
    for row in rows.to_dict("records"):
        sample = samples.loc[row["sample_id"]]
        shown = sample["paired" if task in FROM_OUTSIDE else "media"][0]
        made.append(
            {name: row[name] for name in ("score", "question", "answer", "completion")}
            | {"path": videos.loc[shown["video_id"], "path"], "start_s": shown["start_s"], "end_s": shown["end_s"]}
            | {"annotation": [origins.get(parent, f"joined events {parent}") for parent in sample["parents"]]}
        )
    return pd.DataFrame(made)


def _origins(data: Path, ids: set[str]) -> dict[str, str]:
    """Return id -> the row of annotation in words, for the parents of samples."""
    found: dict[str, str] = {}
    for name, (key, schema) in PARENTS.items():
        path = data / f"{name}.parquet"
        if not path.is_file():
            continue
        table = records.read_table(path, schema)
        chosen = table.filter(pc.is_in(table[key], pa.array(sorted(ids), pa.string())))
        columns = [column for column in TOLD if column in schema.names]
        for row_id, row in zip(chosen[key].to_pylist(), chosen.select(columns).to_pylist(), strict=True):
            said = ", ".join(f"{column} {value}" for column, value in row.items() if value is not None)
            found[row_id] = f"{name} {row_id}: {said}"
    return found


def made_by(checkpoint: Path) -> str:
    """Return which recipe made a checkpoint, with what the command line changed of it; "" where that is not kept."""
    made = checkpoint / "stage.json"
    kept = json.loads(made.read_text()) if made.is_file() else {}
    return title(kept["recipe_file"], kept["overrides"].split()) if "recipe_file" in kept else ""


def main() -> int:
    """Print the items of a score, worst first, as a table or as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("metric", help='"<task>/<score>", as in metrics.json')
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of an evaluated stage")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the data graph (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=10, help="most items (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    given = parser.parse_args()
    try:
        found = of_metric(
            given.checkpoint / "evaluation/predictions.parquet", given.data, given.metric, limit=given.limit
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if not given.json and (recipe := made_by(given.checkpoint)):
        sys.stdout.write(f"{given.checkpoint.name} is of {recipe}\n")
    for row in found.to_dict("records"):
        if given.json:
            sys.stdout.write(json.dumps(row) + "\n")
            continue
        sys.stdout.write(
            f"{row['score']:.3f}  {row['path']} [{row['start_s']:.2f}, {row['end_s']:.2f}] s\n"
            f"       asked {row['question']!r}\n       true {row['answer']!r}, came {row['completion']!r}\n"
        )
        sys.stdout.write("".join(f"       made from {line}\n" for line in row["annotation"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
