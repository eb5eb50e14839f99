"""The samples in batches of ROWS rows, laid out flat as each measure takes them: no more of them are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.contracts.quality import KEYS

ROWS = 50_000


def read(path: Path, columns: list[str]) -> Iterator[tuple[pa.Table, pd.DataFrame]]:
    """Read samples in batches; the first batch is empty, so that there is always one.

    Args:
        path: a table of `records.SAMPLE`.
        columns: the columns to read beside the keys of a type.

    Yields:
        Some rows of the table; and the same rows with the plain columns and `type` alone.

    Raises:
        ValueError: see `records.read_table`.
    """
    columns = [*KEYS, *columns]
    empty = records.SAMPLE.empty_table().select(columns)
    yield empty, typed(empty)
    for batch in records.read_batches(path, records.SAMPLE, columns, rows=ROWS):
        table = pa.Table.from_batches([batch])
        yield table, typed(table)


def typed(table: pa.Table) -> pd.DataFrame:
    """Return the plain columns of samples, and `type`: their KEYS, as in "egore/qa/action"."""
    frame = table.drop_columns([field.name for field in table.schema if pa.types.is_nested(field.type)]).to_pandas()
    return frame.assign(type=frame["corpus"] + "/" + frame["task"] + "/" + frame["question_type"])


def spans(path: Path) -> Iterator[pd.DataFrame]:
    """Return the question and answer of samples, and `video_id, start_s, end_s` of their first medium."""
    for table, frame in read(path, ["question", "answer", "media"]):
        yield frame.assign(**_first_span(table))


def answers(path: Path) -> Iterator[pd.DataFrame]:
    """Return questions, the span that they are about, and `said`: the answer as text, or its box or span."""
    for table, frame in read(path, ["take_id", "question", "answer", "media", "target"]):
        target = table["target"].combine_chunks()
        span = pc.struct_field(target, "span")
        boxes = pc.struct_field(target, "box_xyxy").to_pylist()
        times_s = zip(*(pc.struct_field(span, name).to_pylist() for name in ("start_s", "end_s")), strict=True)
        said = [
            tuple(box) if box else from_to if from_to[0] is not None else answer
            for box, from_to, answer in zip(boxes, times_s, frame["answer"], strict=True)
        ]
        yield frame.assign(said=pd.Series(said, index=frame.index, dtype=object), **_first_span(table))


def options(path: Path) -> Iterator[pd.DataFrame]:
    """Return every option of every question with options."""
    for table, _ in read(path, ["split", "question", "target"]):
        yield offered(table)


def offered(table: pa.Table) -> pd.DataFrame:
    """Return the options of samples, a row for each, as `blind_baseline.accuracy` takes them."""
    target = table["target"].combine_chunks()
    lists = pc.struct_field(target, "choices")
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    options = pd.DataFrame({"row": rows, "option": pc.list_flatten(lists).to_pandas()})
    right = pc.struct_field(target, "answer_index").to_pandas().reindex(rows).to_numpy()
    options["right"] = (options.groupby("row").cumcount() == right).astype(np.float64)
    return options.join(typed(table)[["type", "split", "question"]], on="row")


def shown(path: Path) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return samples with `take_id` and `split`, and their videos, as `contamination.contaminated` takes them."""
    for table, frame in read(path, ["take_id", "split", "media", "paired"]):
        yield frame, pd.concat([_videos(table, column) for column in ("media", "paired")])


def _first_span(table: pa.Table) -> dict[str, pd.Series]:
    first = pc.list_element(table["media"].combine_chunks(), 0)
    return {name: pc.struct_field(first, name).to_pandas() for name in ("video_id", "start_s", "end_s")}


def _videos(table: pa.Table, column: str) -> pd.DataFrame:
    lists = table[column].combine_chunks()
    ids = pc.struct_field(pc.list_flatten(lists), "video_id").to_pandas()
    return pd.DataFrame({"row": pc.list_parent_indices(lists).to_numpy(zero_copy_only=False), "video_id": ids})
