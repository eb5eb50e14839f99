"""The EgoRe tables: short-term questions and thoughts on ego clips, long-term ones on windows, and grounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.data import samples
from components.data.egore import cot, grounding, short
from components.data.egore.long_term import long_term
from components.data.egore.qa import QA, choice, draw
from components.params import Data
from components.prompts import think_answer
from components.records import content_id

_COT_STEPS = 1_000_000


def _drawn(asked: list[QA], count: int, *key: object) -> list[QA]:
    """Draw `count` of the questions by content."""
    return sorted(asked, key=lambda qa: content_id(*key, qa.question))[:count]


def short_term(
    clips: pd.DataFrame, *, per_clip: int, cot_fraction: float, choices: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask `per_clip` short-term questions of each ego clip; a share of them is also answered with a thought.

    Returns:
        Samples for `samples.table`, and the ego clips whose narration does not parse.
    """
    ego = clips[clips["view"] == "ego"]
    ego = ego.assign(facts=samples.parsed(ego["text"]), parent=ego["clip_id"], frame_kind="clip")
    known = ego["facts"].notna()
    rejected = samples.dropped(ego[~known], "text_unparsed", row_id="clip_id", detail="text")
    ego = ego[known]
    drawn = [
        _drawn(short.questions(facts), per_clip, seed, clip)
        for facts, clip in zip(ego["facts"], ego["parent"], strict=True)
    ]
    rows = ego.loc[np.repeat(ego.index, [len(asked) for asked in drawn])]
    plain = choice(rows, [qa for asked in drawn for qa in asked], choices=choices, seed=seed)
    lot = [draw(_COT_STEPS, seed, "cot", *row) for row in zip(plain["parent"], plain["question"], strict=True)]
    chosen = plain[np.array(lot, dtype=np.int64) < cot_fraction * _COT_STEPS]
    asked = [QA(*row, ()) for row in chosen[["question_type", "question", "answer"]].itertuples(index=False, name=None)]
    thoughts = chosen.assign(
        question_type="cot",
        question=[cot.question(qa) for qa in asked],
        answer=[
            think_answer(cot.thought(facts, qa), qa.answer) for facts, qa in zip(chosen["facts"], asked, strict=True)
        ],
    )
    return pd.concat([plain, thoughts], ignore_index=True), rejected


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips and data/annotations, write data/egore/{samples,rejects}.parquet.

    Returns:
        `counts` by task and question type, and `ledger`: (what, rows in, rows out, rejected).
    """
    clips = records.read_table(data_dir / "clips/clips.parquet", records.CLIP).to_pandas()
    tables = {
        name: records.read_table(data_dir / f"annotations/{name}.parquet", records.SCHEMAS[name]).to_pandas()
        for name in ("videos", "boxes", "intervals", "rejects")
    }
    videos, intervals, boxes = tables["videos"], tables["intervals"], tables["boxes"]
    egore, seed = params.egore, params.seed
    short_made, short_out = short_term(
        clips, per_clip=egore.short_per_clip, cot_fraction=egore.cot_fraction, choices=egore.choices, seed=seed
    )
    long_made, long_out, long_windows = long_term(
        intervals,
        videos,
        tables["rejects"],
        min_s=egore.long_min_s,
        max_s=egore.long_max_s,
        per_window=egore.long_per_window,
        choices=egore.choices,
        seed=seed,
    )
    boxed, boxed_out = grounding.spatial(boxes, videos, grid=egore.box_grid, min_percent=egore.box_min_percent)
    timed, timed_out = grounding.temporal(intervals, videos, time_step_s=egore.time_step_s)
    made = pa.concat_tables([samples.table(frame) for frame in (short_made, long_made, boxed, timed)])
    dropped = samples.rejects("egore", [short_out, long_out, boxed_out, timed_out])
    records.write_table(data_dir / "egore/samples.parquet", made, records.SAMPLE)
    records.write_table(data_dir / "egore/rejects.parquet", dropped, records.REJECT)
    kinds = made.group_by(["task", "question_type"]).aggregate([([], "count_all")]).to_pylist()
    return {
        "counts": {f"{row['task']}/{row['question_type']}": row["count_all"] for row in kinds}
        | {"rejects": dropped.num_rows},
        "ledger": [
            long_windows,
            ("boxes", len(boxes), len(boxed), len(boxed_out)),
            ("intervals", len(intervals), len(timed), len(timed_out)),
        ],
    }
