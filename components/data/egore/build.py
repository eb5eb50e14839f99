"""The EgoRe tables: short-term questions and thoughts on ego clips, long-term ones on takes, and grounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.data import samples
from components.data.egore import cot, grounding, long, short
from components.data.egore.qa import QA, draw, options
from components.params import Data
from components.prompts import think_answer
from components.records import content_id

_COT_STEPS = 1_000_000


def _choice(frame: pd.DataFrame, asked: list[QA], *, choices: int, seed: int) -> pd.DataFrame:
    """Turn one question per row of `frame` (with its `parent`) into multiple choice."""
    laid = [
        options(qa, choices, key=content_id(seed, parent, qa.question))
        for qa, parent in zip(asked, frame["parent"], strict=True)
    ]
    return frame.assign(
        corpus="egore",
        task="qa",
        question_type=[qa.question_type for qa in asked],
        question=[qa.question for qa in asked],
        answer=[qa.answer for qa in asked],
        kind="choice",
        text=None,
        choices=[list(offered) for offered, _ in laid],
        answer_index=[index for _, index in laid],
    )


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
    plain = _choice(rows, [qa for asked in drawn for qa in asked], choices=choices, seed=seed)
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


def _incomplete(events: pd.DataFrame, rejects: pd.DataFrame) -> np.ndarray:
    """Say of each event why its window is not fully known: what follows and how many there are cannot be told there.

    A rejected annotation has the row id "take/annotation" and the step "annotations/source" (components/data/sources).
    """
    lost = rejects["step"].str.removeprefix("annotations/") + "/" + rejects["row_id"].str.split("/").str[0]
    unparsed = events["facts"].isna().groupby(events["labels"]).transform("any")
    missing = (events["source"] + "/" + events["take_id"]).isin(lost)
    return np.select([unparsed, missing], ["take_has_unparsed_event", "take_has_rejected_event"], "")


def long_term(
    intervals: pd.DataFrame,
    videos: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    per_take: int,
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask `per_take` long-term questions of each take over the window of its whole ego video.

    Returns:
        Samples for `samples.table`, whose parent is the video; and the ego videos whose events are not all known.
    """
    ego = videos.loc[videos["view"] == "ego", ["video_id", "view", "duration_s"]]
    rows = intervals.merge(ego, on="video_id").assign(facts=lambda frame: samples.parsed(frame["text"]))
    # sources label the same video each in their own way: their events must not be counted together
    rows["labels"] = rows["source"] + "/" + rows["video_id"]
    rows = rows.sort_values(["labels", "start_s", "interval_id"], kind="stable")
    rows = rows.assign(reason=_incomplete(rows, rejects))
    unknown = rows.drop_duplicates("labels")
    rejected = samples.dropped(unknown, unknown["reason"], row_id="video_id", detail="source")
    rows = rows[rows["reason"] == ""]
    drawn = {
        labels: _drawn(
            long.questions(list(zip(part["facts"], part["start_s"], part["end_s"], strict=True))),
            per_take,
            seed,
            labels,
        )
        for labels, part in rows.groupby("labels")
    }
    windows = rows.drop_duplicates("labels").assign(
        frame_kind="window", start_s=0.0, end_s=lambda frame: frame["duration_s"]
    )
    windows = windows.assign(parent=windows["video_id"]).reset_index(drop=True)
    windows = windows.loc[np.repeat(windows.index, [len(drawn[labels]) for labels in windows["labels"]])]
    asked = [qa for labels in windows["labels"].unique() for qa in drawn[labels]]
    return _choice(windows, asked, choices=choices, seed=seed), rejected


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
    long_made, long_out = long_term(
        intervals, videos, tables["rejects"], per_take=egore.long_per_take, choices=egore.choices, seed=seed
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
            ("boxes", len(boxes), len(boxed), len(boxed_out)),
            ("intervals", len(intervals), len(timed), len(timed_out)),
        ],
    }
