"""The contract of a sample table: media, paired views, parents, targets and answer positions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.contracts.rules import Rule, among, between, in_video, sentences
from components.prompts import parse_box, parse_span

MAX_SIGMA = 5.0  # about one false alarm in two million positions
CORPORA = ("egoexoclip", "egoit", "egore", "web", "egoclip", "general", "view30k")
_FILE = r"\\|\.(?:mp4|webm|jpg|png|json)\b"  # people do ask about this/that
_MEMBERS = {"text": "text", "choice": "choices", "span": "span", "box": "box_xyxy"}


def _flat(table: pa.Table, column: str) -> pd.DataFrame:
    """Return every span of a list column, with the number of its row."""
    lists = table[column].combine_chunks()
    spans = pa.Table.from_struct_array(pc.list_flatten(lists)).to_pandas()
    return spans.assign(row=pc.list_parent_indices(lists).to_numpy(zero_copy_only=False))


def _media(frame: pd.DataFrame, table: pa.Table, videos: pd.DataFrame) -> None:
    media, paired = _flat(table, "media"), _flat(table, "paired")
    frame["has media"] = frame.index.isin(media["row"])
    for name, spans in (("media", media), ("paired", paired)):
        checked = in_video(spans, videos)
        checked["starts before its end"] = (spans["start_s"] >= 0) & (spans["start_s"] < spans["end_s"])
        for sentence in [column for column in checked if " " in column]:
            frame[f"{name}: {sentence}"] = ~frame.index.isin(checked.loc[~checked[sentence], "row"])
    both = paired.merge(media, on="row", suffixes=("", "_ego"))
    apart = (both["view"] != "exo") | (both["view_ego"] != "ego")
    apart |= (both["start_s"] != both["start_s_ego"]) | (both["end_s"] != both["end_s_ego"])
    frame["paired is the same moment in exo"] = ~frame.index.isin(both.loc[apart, "row"])
    frame["window_s"] = (media["end_s"] - media["start_s"]).groupby(media["row"]).sum().reindex(frame.index)


def _parents(frame: pd.DataFrame, table: pa.Table, known: pd.Series) -> None:
    parents = table["parents"].combine_chunks()
    orphan = ~pc.list_flatten(parents).to_pandas().isin(known).to_numpy()
    lost = pc.list_parent_indices(parents).to_numpy(zero_copy_only=False)[orphan]
    has = pc.list_value_length(parents).to_numpy(zero_copy_only=False) > 0
    frame["every parent is known"] = has & ~frame.index.isin(lost)


def _choices(target: pa.StructArray, final: pd.Series) -> np.ndarray:
    """Return the rows whose options differ and whose final answer is the option at `answer_index`."""
    lists = pc.struct_field(target, "choices")
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    offered = pd.DataFrame({"row": rows, "option": pc.list_flatten(lists).to_pandas()})
    offered["place"] = offered.groupby("row").cumcount()
    index = pc.struct_field(target, "answer_index").to_pandas().reindex(offered["row"]).to_numpy()
    answer = final.reindex(offered["row"]).to_numpy()
    right = offered.loc[(offered["place"] == index) & (offered["option"] == answer), "row"]
    return np.setdiff1d(right, offered.loc[offered.duplicated(["row", "option"]), "row"])


def _boxes(target: pa.StructArray, final: pd.Series) -> np.ndarray:
    """Return the rows whose box lies in the frame and whose final answer can be read as a box."""
    lists = pc.struct_field(target, "box_xyxy")
    rows = np.flatnonzero(pc.fill_null(pc.equal(pc.list_value_length(lists), 4), False).to_numpy(zero_copy_only=False))
    x1, y1, x2, y2 = pc.list_flatten(lists.take(pa.array(rows))).to_numpy(zero_copy_only=False).reshape(-1, 4).T
    inside = (0 <= x1) & (x1 < x2) & (x2 <= 100) & (0 <= y1) & (y1 < y2) & (y2 <= 100)
    return np.array([row for row in rows[inside] if parse_box(final[row]) is not None], dtype=np.int64)


def _spans(target: pa.StructArray, final: pd.Series, window_s: pd.Series) -> np.ndarray:
    """Return the rows whose span lies in the window and whose final answer can be read as a span."""
    span = pc.struct_field(target, "span")
    start_s, end_s = (pc.struct_field(span, name).to_pandas() for name in ("start_s", "end_s"))
    rows = np.flatnonzero((start_s >= 0) & (start_s < end_s) & (end_s <= window_s + 1e-6))
    return np.array([row for row in rows if parse_span(final[row]) is not None], dtype=np.int64)


def _target(frame: pd.DataFrame, table: pa.Table) -> None:
    target = table["target"].combine_chunks()
    kind = pc.struct_field(target, "kind").to_pandas()
    alone = kind.isin(list(_MEMBERS))
    for name, member in _MEMBERS.items():
        held = pc.is_valid(pc.struct_field(target, member)).to_numpy(zero_copy_only=False)
        alone &= held == (kind == name)
    frame["the target holds the member of its kind and no other"] = alone
    thought = frame["answer"].str.extract(r"</think><answer>(.*)</answer>$", expand=False)
    final = thought.where(thought.notna(), frame["answer"]).fillna("")
    frame["the options differ and the answer is at its index"] = (kind != "choice") | frame.index.isin(
        _choices(target, final)
    )
    frame["the box is in the frame and can be read"] = (kind != "box") | frame.index.isin(_boxes(target, final))
    frame["the span is in the window and can be read"] = (kind != "span") | frame.index.isin(
        _spans(target, final, frame["window_s"])
    )


def rules(table: pa.Table, *, videos: pd.DataFrame, parents: pd.Series) -> tuple[pd.DataFrame, list[Rule]]:
    """Lay out a sample table flat, and return it with the rules that must hold of it.

    Args:
        table: as in components/records/schemas.py.
        videos: the video table, for the ends of videos.
        parents: every id that a sample may be made from.
    """
    frame = table.drop_columns(["media", "paired", "target", "parents"]).to_pandas()
    _parents(frame, table, parents)
    _media(frame, table, videos)
    _target(frame, table)
    # in conversations people ask about programs and formulas, too
    unnamed = ~frame["question"].fillna("").str.contains(_FILE, regex=True)
    frame["the question names no file"] = unnamed | (frame["corpus"] == "general")
    return frame, [
        *among(corpus=CORPORA, frame_kind=("image", "clip", "window")),
        *among(task=("caption", "qa", "ground_spatial", "ground_temporal", "verify")),
        *sentences(frame),
    ]


def count_positions(table: pa.Table) -> pd.DataFrame:
    """Count the `samples` of each number of options and index of the answer."""
    target = table["target"].combine_chunks()
    options = pc.list_value_length(pc.struct_field(target, "choices")).to_pandas()
    frame = pd.DataFrame({"options": options, "index": pc.struct_field(target, "answer_index").to_pandas()}).dropna()
    return frame.astype(np.int64).value_counts().rename("samples").reset_index()


def answer_positions(*tables: pa.Table) -> tuple[pd.DataFrame, list[Rule]]:
    """Count how often the answer stands at each index, by number of options: no index may give the answer away.

    Args:
        tables: the parts of a sample table, of which the column `target` is read.
    """
    counts = distances(pd.concat([count_positions(table) for table in tables]))
    return counts, between("sigmas", -MAX_SIGMA, MAX_SIGMA)


def distances(counted: pd.DataFrame) -> pd.DataFrame:
    """Add up what `count_positions` returned, and measure how far each position is from an equal share.

    `sigmas` is the distance in binomial standard deviations, so that chance in a small table is no fault.
    """
    counts = counted.groupby(["options", "index"])["samples"].sum().reset_index()
    grid = [(count, index) for count in sorted(counts["options"].unique()) for index in range(count)]
    counts = pd.DataFrame(grid, columns=["options", "index"], dtype=np.int64).merge(counts, how="left")
    counts["samples"] = counts["samples"].fillna(0).astype(np.int64)
    total, fair = counts.groupby("options")["samples"].transform("sum"), 1 / counts["options"]
    counts["share"] = counts["samples"] / total
    counts["sigmas"] = (counts["samples"] - total * fair) / np.sqrt(total * fair * (1 - fair))
    counts["position"] = counts["index"].astype(str) + " of " + counts["options"].astype(str)
    return counts
