"""The tables that each step writes, and the contract of each table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.contracts import funnel, quality, sample
from components.data.contracts.rules import (
    Contract,
    Rule,
    among,
    between,
    in_video,
    less,
    sentences,
    unique,
)
from components.data.frames import step as frames
from components.records.patterns import LEAVES_ROOT

CORPORA = ("captions", "questions", "point_narrations")  # may be too large for memory: checked batch by batch
OUTPUTS = {  # step -> its tables
    "annotations": ("videos", "narrations", "boxes", "intervals", *CORPORA, "rejects"),
    "media": ("videos", "rejects"),
    "clips": ("clips", "rejects"),
    "funnel": ("kept", "table", "videos", "clips", "rejects"),
    "pretraining": ("samples", "rejects"),
    "egoit": ("samples", "rejects"),
    "egore": ("samples", "rejects"),
    "egoexo_con": ("rejects",),
    "dataset": ("samples", "rejects"),
    "frames": ("index", "rejects"),
    "quality": ("types",),
}
SCHEMAS = {**records.SCHEMAS, "index": frames.INDEX, "types": quality.TYPES}
TEXTS = ("annotations/captions", "annotations/questions", "media/videos")
WEB = ("funnel/videos", "funnel/clips")  # web video beside the takes
REFERS_TO = {  # step -> tables of earlier steps whose ids its tables name
    "annotations": (),
    "media": (),
    "clips": ("annotations/videos", "annotations/narrations"),
    "funnel": (),
    "pretraining": TEXTS,
    "egoit": ("annotations/videos", "annotations/intervals", "clips/clips", *TEXTS),
    "egore": ("annotations/videos", "annotations/intervals", "annotations/boxes", "clips/clips", *WEB),
    "egoexo_con": (),
    "dataset": ("annotations/videos", "annotations/intervals", "annotations/boxes", "clips/clips", *TEXTS, *WEB),
    "frames": ("dataset/samples",),
    "quality": (),
}
KEYS = {"videos": "video_id", "narrations": "narration_id", "boxes": "box_id", "intervals": "interval_id"}
KEYS |= {"captions": "caption_id", "questions": "question_id", "point_narrations": "narration_id"}
KEYS |= {"types": "type", "clips": "clip_id", "samples": "sample_id", "index": "sample_id", "rejects": "row_id"}
KEYS |= {"kept": "clip_id", "table": "stage"}
_IDS_REPEAT = ("rejects", "index")
PARENTS = ("videos", "intervals", "boxes", "clips", "captions", "questions")
_VIEW, _SPLIT = ("ego", "exo"), ("train", "test")

Known = dict[str, pd.DataFrame]  # tables of records.py by name, to look ids up in


def _videos(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    positive = [*between("duration_s", 0, None, strict=True), *between("fps", 0, None, strict=True)]
    return table.to_pandas(), [*positive, *among(view=_VIEW, split=_SPLIT)]


def _narrations(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = table.to_pandas()
    frame["the take has a video"] = frame["take_id"].isin(known["videos"]["take_id"])
    return frame, [*between("time_s", 0, None), *among(split=_SPLIT), *sentences(frame)]


def _boxes(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = in_video(table.to_pandas(), known["videos"])
    corners = np.array(frame["box_xyxy"].tolist(), dtype=np.float64).reshape(-1, 4)
    frame[["x1", "y1", "x2", "y2"]] = corners
    inside = [rule for column in ("x1", "y1", "x2", "y2") for rule in between(column, 0, 100)]
    ordered = [*less("x1", "x2"), *less("y1", "y2")]
    rules = [*between("frame", 0, None), *inside, *ordered, *among(split=_SPLIT), *sentences(frame)]
    return frame.drop(columns="box_xyxy"), rules


def _intervals(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = in_video(table.to_pandas(), known["videos"])
    ordered = [*between("start_s", 0, None), *less("start_s", "end_s")]
    return frame, [*ordered, *among(split=_SPLIT), *sentences(frame)]


def _text_rules(frame: pd.DataFrame, *texts: str) -> list[Rule]:
    """Return the rules of every text about a medium that is no take, and add their sentences to the frame."""
    whole = frame["start_s"].isna() & frame["end_s"].isna()
    frame["the span is the whole medium, or begins before its end"] = whole | (
        (frame["start_s"] >= 0) & (frame["start_s"] < frame["end_s"]) & np.isfinite(frame["end_s"])
    )
    frame["the path stays in its root"] = ~frame["path"].fillna("/").str.contains(LEAVES_ROOT, regex=True)
    for name in texts:
        frame[f"the {name} says something"] = frame[name].fillna("").str.strip() != ""
    return [*among(split=_SPLIT), *sentences(frame)]


def _captions(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = table.to_pandas()
    return frame, [*_text_rules(frame, "text"), *among(media=("video", "image"), view=_VIEW)]


def _questions(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    answers = table.select(["answer", "wrong_answers"]).to_pylist()
    frame = table.drop_columns(["wrong_answers", "other_answers"]).to_pandas()
    frame["no wrong answer is right"] = [row["answer"] not in (row["wrong_answers"] or []) for row in answers]
    return frame, [*_text_rules(frame, "question", "answer"), *among(media=("video", "image", "frames"), view=_VIEW)]


def _point_narrations(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    return table.to_pandas(), [*between("time_s", 0, None), *among(split=_SPLIT)]


def _clips(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = in_video(table.to_pandas(), known["videos"])
    if "kept" in known:  # what web video says is no narration of a take
        frame["the clip was kept"] = frame["clip_id"].isin(known["kept"]["clip_id"])
    else:
        frame["the narration is known"] = frame["narration_id"].isin(known["narrations"]["narration_id"])
    frame["one clip of a moment in each video"] = ~frame.duplicated(["moment_id", "video_id"])
    ordered = [*between("start_s", 0, None), *less("start_s", "end_s")]
    return frame, [*ordered, *among(view=_VIEW, split=_SPLIT), *sentences(frame)]


def _samples(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    parents = pd.concat([known[name][KEYS[name]] for name in PARENTS if name in known])
    frame, rules = sample.rules(table, videos=known["videos"], parents=parents)
    return frame, [*rules, *among(view=_VIEW, split=_SPLIT)]


def _index(table: pa.Table, known: Known) -> tuple[pd.DataFrame, list[Rule]]:
    frame = table.select(["sample_id", "stream"]).to_pandas()
    frame["the sample is known"] = frame["sample_id"].isin(known["samples"]["sample_id"])
    frame["one row of a sample in each stream"] = ~frame.duplicated(["sample_id", "stream"])
    frame["has frames"] = pc.list_value_length(table["rows"]).to_pandas() > 0
    return frame, [*among(stream=frames.STREAMS), *sentences(frame)]


def _types(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    return quality.rules(table)


def _rejects(table: pa.Table, _: Known) -> tuple[pd.DataFrame, list[Rule]]:
    return table.to_pandas(), []


_RULES = {
    "videos": _videos,
    "narrations": _narrations,
    "boxes": _boxes,
    "intervals": _intervals,
    "captions": _captions,
    "questions": _questions,
    "point_narrations": _point_narrations,
    "clips": _clips,
    "kept": funnel.kept,
    "table": funnel.table,
    "samples": _samples,
    "index": _index,
    "types": _types,
    "rejects": _rejects,
}


def schema(tables: dict[str, pa.Table]) -> Contract:
    """Return the contract of the columns and types of tables, by table name."""
    rows = []
    for name, table in tables.items():
        # Parquet renames the items of lists, which makes no other type: the schema's own name of it is shown
        allowed = {field.name: field.type for field in SCHEMAS[name]}
        came = {field.name: field.type for field in table.schema}
        came |= {column: kind for column, kind in allowed.items() if column in came and came[column].equals(kind)}
        for column in {**allowed, **came}:
            kinds = (came.get(column, "missing"), allowed.get(column, "no such column"))
            rows.append((f"{name}.{column}", *map(str, kinds)))
    frame = pd.DataFrame(rows, columns=["column", "type", "allowed"])
    equal = ("ExpectColumnPairValuesToBeEqual", {"column_A": "type", "column_B": "allowed"})
    return Contract(frame, "column", [equal])


def may_repeat(step: str, name: str) -> bool:
    """Return whether an id may stand twice in a table."""
    # samples of two corpora may coincide; the dataset step rejects the second one
    return name in _IDS_REPEAT or (name == "samples" and step != "dataset")


def contract(name: str, table: pa.Table, known: Known, *, repeats: bool = False) -> Contract:
    """Return the contract of one table.

    Args:
        name: of the table.
        table: its rows, all of them or a batch.
        known: the tables that its rows refer to.
        repeats: whether an id may stand twice.
    """
    frame, rules = _RULES[name](table, known)
    ids = [] if repeats else unique(KEYS[name])
    return Contract(frame, KEYS[name], [*ids, *rules])


def splits(tables: list[pa.Table]) -> Contract:
    """Return the contract that no take is in two splits, which would let training see the test.

    Args:
        tables: with the columns `take_id` and `split`.
    """
    keys = ["take_id", "split"]
    pairs = pa.concat_tables([table.group_by(keys).aggregate([]) for table in tables])
    counted = pairs.to_pandas().groupby("take_id")["split"].nunique().rename("splits").reset_index()
    return Contract(counted, "take_id", between("splits", 1, 1))


def contracts(step: str, tables: dict[str, pa.Table]) -> dict[str, Contract]:
    """Return the contract of every table of a step but those of CORPORA, and those that hold across its tables.

    Args:
        step: a key of OUTPUTS.
        tables: "step/table" -> table, those in OUTPUTS and in REFERS_TO, with their right schemas; of tables of CORPORA
            that are referred to, the ids. Files are left to contracts/large_tables.py.

    Returns:
        Contracts by table name, `splits` where a table names takes and, for samples, `answer_positions`.
    """
    tables = {path: table for path, table in tables.items() if isinstance(table, pa.Table)}
    own = {name: tables[path] for name in OUTPUTS[step] if name not in CORPORA and (path := f"{step}/{name}") in tables}
    referred: dict[str, list[pa.Table]] = {}
    for path in REFERS_TO[step]:
        if path in tables:  # not every video table is there
            referred.setdefault(path.split("/")[1], []).append(tables[path])
    pointed_at = {name: pa.concat_tables(parts) for name, parts in referred.items()}
    # samples are looked up by id only, and their nested columns are slow to convert
    narrow = {name: table.select(["sample_id"]) if name == "samples" else table for name, table in pointed_at.items()}
    known = {name: table.to_pandas() for name, table in (narrow | own).items() if name != "rejects"}
    made = {}
    for name, table in own.items():
        made[name] = contract(name, table, known, repeats=may_repeat(step, name))
    of_takes = [
        table for table in (*pointed_at.values(), *own.values()) if {"take_id", "split"} <= set(table.column_names)
    ]
    if of_takes:
        made["splits"] = splits(of_takes)
    if "samples" in own:
        frame, rules = sample.answer_positions(own["samples"])
        made["answer_positions"] = Contract(frame, "position", rules)
    return made
