"""The EgoRe tables: short-term questions and thoughts on ego clips, long-term ones on takes, and grounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components import llm, records
from components.data import samples
from components.data.egore import grounding, long, prompting, segments, written
from components.data.egore.qa import QA, options
from components.data.egore.short_term import short_term
from components.params import Data
from components.records import content_id

Made = tuple[list[pd.DataFrame], list[pd.DataFrame], list[tuple[str, int, int, int]]]  # rows, rejects, ledger


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


def _read(data_dir: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read the clips, and the annotations by name."""
    names = ("videos", "narrations", "boxes", "intervals", "rejects")
    annotations = {
        name: records.read_table(data_dir / f"annotations/{name}.parquet", records.SCHEMAS[name]).to_pandas()
        for name in names
    }
    return records.read_table(data_dir / "clips/clips.parquet", records.CLIP).to_pandas(), annotations


def _by_rule(params: Data, clips: pd.DataFrame, annotations: dict[str, pd.DataFrame]) -> Made:
    egore = params.egore
    how = {"choices": egore.choices, "seed": params.seed}
    short, short_out, ledger = short_term(
        clips, annotations, per_clip=egore.short_per_clip, cot_fraction=egore.cot_fraction, **how
    )
    tables = (annotations[name] for name in ("intervals", "videos", "rejects"))
    long, long_out = long_term(*tables, per_take=egore.long_per_take, **how)
    return [short, long], [short_out, long_out], ledger


def _planned(params: Data, clips: pd.DataFrame, annotations: dict[str, pd.DataFrame]) -> Made:
    """Plan the requests to a language model; the rejects are clips and windows that it is not asked about."""
    tables = (annotations[name] for name in ("intervals", "videos"))
    short, short_out = segments.of_clips(clips, annotations, seed=params.seed)
    long, long_out = segments.of_windows(segments.whole_videos(*tables), annotations["rejects"])
    planned = written.plan(short, long, cot_fraction=params.egore.cot_fraction, seed=params.seed)
    ego = int((clips["view"] == "ego").sum())
    ledger = [
        ("ego clips", ego, len(short), len(short_out)),
        ("long windows", len(long) + len(long_out), len(long), len(long_out)),
    ]
    return [planned[planned["kind"].map(_counts(params)).fillna(1) > 0]], [short_out, long_out], ledger


def _counts(params: Data) -> dict[str, int]:
    """Give the most questions of a reply, by kind."""
    return {prompting.SHORT: params.egore.short_per_clip, prompting.LONG: params.egore.long_per_take}


def _by_model(params: Data, clips: pd.DataFrame, annotations: dict[str, pd.DataFrame], ledger_path: Path) -> Made:
    (planned,), unasked, ledger = _planned(params, clips, annotations)
    made, broken, more = written.written(
        planned,
        llm.settings_of(params.llm.model_dump()),
        ledger_path=ledger_path,
        counts=_counts(params),
        choices=params.egore.choices,
        seed=params.seed,
    )
    return [made], [*unasked, broken], [*ledger, *more]


def requests(params: Data, data_dir: Path) -> Iterator[llm.Request]:
    """Give the requests that the step has for a language model; rules have none, but the number is worth knowing."""
    (planned,), _, _ = _planned(params, *_read(data_dir))
    return prompting.requests(planned, counts=_counts(params), choices=params.egore.choices)


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips and data/annotations, write data/egore/{samples,rejects}.parquet.

    The replies of a language model stay in data/ledger/egore.jsonl.

    Returns:
        `counts` by task and question type, and `ledger`: (what, rows in, rows out, rejected).
    """
    clips, annotations = _read(data_dir)
    if params.llm.generator == "rules":
        asked, dropped, ledger = _by_rule(params, clips, annotations)
    else:
        asked, dropped, ledger = _by_model(params, clips, annotations, data_dir / "ledger/egore.jsonl")
    videos, intervals, boxes = (annotations[name] for name in ("videos", "intervals", "boxes"))
    egore = params.egore
    boxed, boxed_out = grounding.spatial(boxes, videos, grid=egore.box_grid, min_percent=egore.box_min_percent)
    timed, timed_out = grounding.temporal(intervals, videos, time_step_s=egore.time_step_s)
    made = pa.concat_tables([samples.table(frame) for frame in (*asked, boxed, timed)])
    dropped = samples.rejects("egore", [*dropped, boxed_out, timed_out])
    records.write_table(data_dir / "egore/samples.parquet", made, records.SAMPLE)
    records.write_table(data_dir / "egore/rejects.parquet", dropped, records.REJECT)
    kinds = made.group_by(["task", "question_type"]).aggregate([([], "count_all")]).to_pylist()
    return {
        "counts": {f"{row['task']}/{row['question_type']}": row["count_all"] for row in kinds}
        | {"rejects": dropped.num_rows},
        "ledger": [
            *ledger,
            ("boxes", len(boxes), len(boxed), len(boxed_out)),
            ("intervals", len(intervals), len(timed), len(timed_out)),
        ],
    }
