"""Stage `quality`: how good the questions of each type are; contracts/quality.py says how good is enough.

Correctness is told by the world (components/world/truth.py) where the miniature world wrote the sources; real data has
no oracle, and `checked` is 0 there. All else needs no truth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.contracts import sample
from components.data.contracts.quality import KEYS, TYPES
from components.data.quality import blind, leaks
from components.metrics import wilson
from components.params import Data

MOST_JUDGED = 2000  # rows of a type that the world is asked about, of takes drawn by content: a share to 0.2 %
_SEEN = ["take_id", "question_type", "question", "said", "start_s", "end_s"]


def laid_out(table: pa.Table) -> pd.DataFrame:
    """Lay samples out flat: their plain columns, `type`, the first span, and `said`: the answer, or its box or span."""
    frame = table.select(["corpus", "task", "question_type", "take_id", "split", "question", "answer"]).to_pandas()
    frame["type"] = frame["corpus"] + "/" + frame["task"] + "/" + frame["question_type"]
    first = pc.list_element(table["media"].combine_chunks(), 0)
    target = table["target"].combine_chunks()
    span = pc.struct_field(target, "span")
    for name in ("video_id", "start_s", "end_s"):
        frame[name] = pc.struct_field(first, name).to_pandas()
    boxes = pc.struct_field(target, "box_xyxy").to_pylist()
    spans = zip(*(pc.struct_field(span, name).to_pylist() for name in ("start_s", "end_s")), strict=True)
    exact = [
        tuple(box) if box else from_to if from_to[0] is not None else None
        for box, from_to in zip(boxes, spans, strict=True)
    ]
    frame["said"] = [answer if given is None else given for answer, given in zip(frame["answer"], exact, strict=True)]
    return frame


def offered(table: pa.Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Give every option of every question with options, as `blind.accuracy` takes them."""
    target = table["target"].combine_chunks()
    lists = pc.struct_field(target, "choices")
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    options = pd.DataFrame({"row": rows, "option": pc.list_flatten(lists).to_pandas()})
    right = pc.struct_field(target, "answer_index").to_pandas().reindex(rows).to_numpy()
    options["right"] = (options.groupby("row").cumcount() == right).astype(np.float64)
    return options.join(frame[["type", "split", "question"]], on="row")


def judged(frame: pd.DataFrame, params: Data, root: Path) -> pd.Series:
    """Ask the world whether answers are true: True, False, or None where it does not say or is not asked.

    Args:
        root: the project root, which `sources` are relative to. Without the mark of the world there, nothing is judged.
    """
    from components.world.__main__ import MARK

    unknown = pd.Series(None, index=frame.index, dtype=object)
    if not (root / params.sources.egoexo4d / MARK).is_file():
        return unknown
    from components.world import plan, truth

    world = params.world
    shares = {"val_fraction": world.val_fraction, "test_fraction": world.test_fraction}
    planned = plan.plan_takes(params.seed, takes=world.takes, take_s=world.take_s, **shares)
    takes = {one.uid: one.take for one in planned}
    # what is asked of a narration is always the same, in many words
    narrated = frame["question_type"] == "narration"
    asked = frame.assign(question=frame["question"].mask(narrated, ""))
    # of the same takes for every type: a frame is looked at once
    place = {uid: number for number, uid in enumerate(sorted(takes, key=records.content_id))}
    asked = asked[asked["take_id"].isin(takes)].sort_values("take_id", key=lambda ids: ids.map(place), kind="stable")
    asked = asked[asked.groupby("type").cumcount() < MOST_JUDGED]
    number = asked.groupby(_SEEN, sort=False).ngroup()
    # by take and time: the oracle keeps what it last looked at
    distinct = asked[~number.duplicated()].sort_values(["take_id", "start_s"])
    verdicts = [
        truth.judge(takes[row.take_id], row.question_type, row.question, row.said, row.start_s, row.end_s)
        for row in distinct[_SEEN].itertuples(index=False)
    ]
    unknown.loc[asked.index] = number.map(pd.Series(verdicts, index=number[distinct.index], dtype=object))
    return unknown


def _positions(table: pa.Table, types: pd.Series) -> pd.Series:
    """Give, by type, the largest distance of an answer position from its fair share, in standard deviations."""
    found, targets = {}, table.select(["target"])
    for name, rows in types.groupby(types).groups.items():
        sigmas = sample.answer_positions(targets.take(pa.array(rows)))[0]["sigmas"]
        found[name] = sigmas[sigmas.abs().idxmax()] if len(sigmas) else np.nan
    return pd.Series(found, dtype=np.float64)


def measured(
    table: pa.Table, videos: pd.DataFrame, verdicts: pd.Series, frame: pd.DataFrame, lists: dict[str, set[str]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Sum up every type.

    Args:
        table: samples; `frame` is the same `laid_out`, and `verdicts` what `judged` says of its rows.
        videos: table of components/records.py.
        lists: see `leaks.contaminated`.

    Returns:
        Rows of TYPES, and the contaminated samples of each benchmark.
    """
    shown = pd.concat([_shown(table, column) for column in ("media", "paired")])
    leaked = leaks.contaminated(frame, shown, videos, lists)
    marks = frame[["type", *KEYS]].assign(
        checked=verdicts.notna(),
        right=verdicts == True,  # noqa: E712 (None is neither)
        near_duplicates=leaks.near_duplicates(frame),
        contaminated=leaked.any(axis=1),
    )
    of_type = marks.groupby("type")
    sums = of_type[["checked", "right", "near_duplicates", "contaminated"]].sum()
    found = of_type[list(KEYS)].first().join(of_type.size().rename("samples")).join(sums)
    found = found.join(blind.accuracy(offered(table, frame))).join(
        _positions(table, frame["type"]).rename("position_sigma")
    )
    found["blind_asked"] = found["blind_asked"].fillna(0)
    found["share_right"] = found["right"] / found["checked"].where(found["checked"] > 0)
    found["blind_accuracy"] = found["blind_right"] / found["blind_asked"].where(found["blind_asked"] > 0)
    found["blind_lift"] = blind.lift(found["blind_accuracy"], found["chance"])
    lowest = [wilson(right, asked)[0] for right, asked in zip(found["blind_right"], found["blind_asked"], strict=True)]
    found["blind_lift_low"] = blind.lift(np.array(lowest), found["chance"])
    found["duplicate_share"] = found["near_duplicates"] / found["samples"]
    return found.reset_index(drop=True), leaked.sum().astype(int).to_dict()


def _shown(table: pa.Table, column: str) -> pd.DataFrame:
    lists = table[column].combine_chunks()
    ids = pc.struct_field(pc.list_flatten(lists), "video_id").to_pandas()
    return pd.DataFrame({"row": pc.list_parent_indices(lists).to_numpy(zero_copy_only=False), "video_id": ids})


def run(params: Data, data_dir: Path) -> dict:
    """Read data/dataset/samples.parquet and data/annotations/videos.parquet, write data/quality/types.parquet.

    Returns:
        `counts` over all types, and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: a list of `quality.benchmarks` is missing or broken.
    """
    root = data_dir.resolve().parent
    lists = {name: leaks.read_list(name, root / path) for name, path in params.quality.benchmarks.items()}
    table = records.read_table(data_dir / "dataset/samples.parquet", records.SAMPLE)
    videos = records.read_videos(data_dir).to_pandas()
    frame = laid_out(table)
    found, leaked = measured(table, videos, judged(frame, params, root), frame, lists)
    rows = pa.Table.from_pandas(found[TYPES.names], TYPES, preserve_index=False)
    records.write_table(data_dir / "quality/types.parquet", rows, TYPES)
    sums = found[["samples", "checked", "right", "near_duplicates"]].sum().astype(int).to_dict()
    counts = {"types": len(found)} | sums | {"contaminated": leaked}
    return {"counts": counts, "ledger": [("samples", table.num_rows, sums["samples"], 0)]}
