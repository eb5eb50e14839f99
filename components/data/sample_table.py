"""Making tables of samples: from plain columns to the nested columns of `records.SAMPLE`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.records import MEDIA, REJECT, SAMPLE, SPAN, TARGET, content_ids

_SPAN_COLUMNS = ["video_id", "view", "start_s", "end_s"]


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    # Arrow takes lists of NumPy's objects from Python only; from_pandas: a missing value is NaN there and null here
    listed = pa.types.is_nested(kind) and not isinstance(column.dtype, pd.ArrowDtype)
    array = pa.array(column.tolist() if listed else column, kind, from_pandas=True)
    # pandas keeps strings in chunks, of which no nested array can be made
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _spans(frame: pd.DataFrame) -> pa.StructArray:
    return pa.StructArray.from_arrays([_array(frame[field.name], field.type) for field in MEDIA], fields=list(MEDIA))


def _media(frame: pd.DataFrame) -> pa.ListArray:
    """Return a list with the span of each row, and an empty list where `video_id` is null."""
    has = frame["video_id"].notna().to_numpy()
    ends = np.append(0, np.cumsum(has)).astype(np.int32)
    return pa.ListArray.from_arrays(ends, _spans(frame[has]))


def _paired(frame: pd.DataFrame) -> pa.ListArray:
    """Return the span of each row in each of the exo videos that `paired_video_ids`, if it is there, lists."""
    if "paired_video_ids" not in frame:
        return pa.ListArray.from_arrays(np.zeros(len(frame) + 1, dtype=np.int32), pa.array([], MEDIA))
    listed = [ids if isinstance(ids, list) else [] for ids in frame["paired_video_ids"]]
    videos = pa.array(listed, pa.list_(pa.string()))
    shown = frame.loc[pc.list_parent_indices(videos).to_numpy(), ["start_s", "end_s"]]
    shown = shown.assign(video_id=videos.flatten().to_numpy(zero_copy_only=False), view="exo")
    return pa.ListArray.from_arrays(videos.offsets, _spans(shown))


def _target(frame: pd.DataFrame) -> pa.StructArray:
    """Build the tagged union; a member whose column is missing or null is null."""
    given = frame.reindex(columns=["kind", "text", "choices", "answer_index", "box_xyxy", "from_s", "to_s"])
    start, end = (_array(given[name], pa.float64()) for name in ("from_s", "to_s"))
    span = pa.StructArray.from_arrays([start, end], fields=list(SPAN), mask=pa.array(given["from_s"].isna().to_numpy()))
    columns = {
        name: _array(given[name], TARGET.field(name).type)
        for name in ("kind", "text", "choices", "answer_index", "box_xyxy")
    } | {"span": span}
    return pa.StructArray.from_arrays([columns[field.name] for field in TARGET], fields=list(TARGET))


def table(frame: pd.DataFrame) -> pa.Table:
    """Make the sample table.

    Args:
        frame: a row per sample: `corpus, task, question_type, take_id, split, frame_kind, question, answer, parent`,
            the span that the model sees (`video_id, view, start_s, end_s`, seconds of the video), the target (`kind`
            and, by kind, `text`; `choices`, `answer_index`; `from_s`, `to_s` in seconds from the start of the span;
            `box_xyxy` in percent of the frame), and, where there are synchronized exo views, the list of their videos
            (`paired_video_ids`).
    """
    frame = frame.reset_index(drop=True).assign(sample_id=sample_ids(frame))
    columns = {name: _array(frame[name], SAMPLE.field(name).type) for name in SAMPLE.names if name in frame}
    nested = {
        "media": _media(frame),
        "paired": _paired(frame),
        "target": _target(frame),
        "parents": pa.ListArray.from_arrays(
            np.arange(len(frame) + 1, dtype=np.int32), _array(frame["parent"], pa.string())
        ),
    }
    return pa.table({name: (columns | nested)[name] for name in SAMPLE.names}, schema=SAMPLE)


def sample_ids(frame: pd.DataFrame) -> pa.Array:
    """Return the content id of each sample: of its question and answer, the row it was made from and the span shown."""
    keys = ["corpus", "task", "question_type", "question", "answer", "parent", *_SPAN_COLUMNS]
    return content_ids(*(_said(frame[name]) for name in keys))


def _said(column: pd.Series) -> pd.Series | np.ndarray | list[str]:
    """Return each value as `content_ids` takes it, or as the text that `content_id` makes of it."""
    if column.dtype == np.float64:
        return column.to_numpy()
    as_it_is = isinstance(column.dtype, pd.StringDtype) and not column.hasnans
    return column if as_it_is else [*map(str, column.tolist())]


def dropped(frame: pd.DataFrame, reason: np.ndarray | str, *, row_id: str, detail: str) -> pd.DataFrame:
    """Return the rows that have a reason as rejects.

    Args:
        frame: the rows.
        reason: of each row, shape [N], "" for a row that is kept; or one reason for all rows.
        row_id: name of the column that holds the ids.
        detail: name of the column that shows what is wrong.

    Returns:
        `row_id`, `reason` and `detail`; the index is the positions of the rejected rows.
    """
    given = np.broadcast_to(np.asarray(reason), len(frame))
    rows = np.flatnonzero(given != "")
    ids, details = (frame[name].iloc[rows].to_numpy() for name in (row_id, detail))
    return pd.DataFrame({"row_id": ids, "reason": given[rows].astype(object), "detail": details}, rows)


def rejects(step: str, parts: list[pd.DataFrame]) -> pa.Table:
    """Stack rejected rows (`row_id`, `reason`, `detail`) into one rejects table of a step."""
    columns = ["row_id", "reason", "detail"]
    stacked = pd.concat([pd.DataFrame(columns=columns), *(part[columns] for part in parts)], ignore_index=True)
    return pa.Table.from_pandas(stacked.assign(step=step)[REJECT.names], REJECT, preserve_index=False)
