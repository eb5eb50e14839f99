"""From the cells of any source to rows of the records: text and times are cleaned, bad rows rejected with a reason.

Text: control characters (Unicode category Cc) become spaces, lone surrogates are dropped, both ends are stripped; a
value that is no text counts as empty. A path must be relative and stay below its root, else the row is rejected as
`path_outside_root`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.records import content_id
from components.records.patterns import CONTROL_CHARACTERS, LEAVES_ROOT

Batch = tuple[pd.DataFrame, pd.DataFrame]  # rows, rejects
Tables = tuple[dict[str, pd.DataFrame], pd.DataFrame]  # rows by the names of records.SCHEMAS, rejects
_CLOCK = r"^\s*(?:(?P<h>[0-9]{1,4}):)?(?P<m>[0-5]?[0-9]):(?P<s>[0-5]?[0-9](?:\.[0-9]{1,9})?)\s*$"
_DETAIL = 200  # characters


def clean(values: pd.Series) -> pd.Series:
    """Return text without control characters and without spaces at its ends; "" for what is no text.

    >>> clean(pd.Series([" a cat ", None, 3], dtype=object)).tolist()
    ['a cat', '', '']
    """
    if values.dtype == object:  # from JSON: any type, and lone surrogates, which Arrow cannot hold
        texts = [value.encode(errors="ignore").decode() if isinstance(value, str) else "" for value in values]
        values = pd.Series(texts, index=values.index, dtype="str")
    return values.fillna("").str.replace(CONTROL_CHARACTERS, " ", regex=True).str.strip()


def seconds(values: pd.Series) -> pd.Series:
    """Return numbers as float64, NaN for what is no number.

    >>> seconds(pd.Series(["1.5", "x"])).tolist()
    [1.5, nan]
    """
    if values.dtype == object:
        values = pd.Series([_number(value) for value in values], index=values.index, dtype="float64")
    return pd.to_numeric(values, errors="coerce").astype("float64")


def _number(value: Any) -> float:
    try:
        return np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def clock_to_seconds(values: pd.Series) -> pd.Series:
    """Turn times `[H:]MM:SS[.fraction]` into seconds, NaN for what is no such time.

    >>> clock_to_seconds(pd.Series(["0:01:20.88", "90"])).tolist()
    [80.88, nan]
    """
    parts = pc.extract_regex(pa.array(values, pa.string()), _CLOCK)
    hours, minutes, rest = (
        pd.to_numeric(pc.struct_field(parts, name).to_pandas(), errors="coerce").set_axis(values.index)
        for name in ("h", "m", "s")
    )
    return (hours.fillna(0) * 3600 + minutes * 60 + rest).astype("float64")


def file_names(ids: pd.Series, suffix: str) -> pd.Series:
    """Return the file name of each id, which is the id and a suffix; "" for an empty id."""
    return (ids + suffix).mask(ids == "", "")


def join_paths(folders: pd.Series, files: pd.Series) -> pd.Series:
    """Join each folder and the file in it by a slash; "" where one of the two is empty."""
    return (folders + "/" + files).mask((folders == "") | (files == ""), "")


def reject_rows(source: str, row_ids: Iterable, reasons: Iterable[str], details: Iterable) -> pd.DataFrame:
    """Make rows of `records.REJECT`.

    Args:
        source: name of the dataset.
        row_ids: which rows were rejected, by their ids in the source.
        reasons: a word for each.
        details: a value for each that shows what is wrong; cut at _DETAIL characters.
    """
    kept = [str(detail)[:_DETAIL].encode(errors="replace").decode() for detail in details]
    frame = {"step": f"annotations/{source}", "row_id": list(row_ids), "reason": list(reasons), "detail": kept}
    return pd.DataFrame(frame, columns=records.REJECT.names, dtype="str")


def reject_where(frame: pd.DataFrame, masks: dict[str, pd.Series], *, source: str, detail: Iterable[str]) -> Batch:
    """Reject the rows for which a mask is true, with the first reason whose mask is true, and keep the others.

    The second of two kept rows with the same `row_id` is rejected as `repeated_id`.

    Args:
        frame: has a column `row_id`, the name of the row in its source.
        masks: reason -> bool series [rows], True where the reason holds; in order of precedence.
        source: name of the dataset.
        detail: columns of `frame` whose values are the detail of a reject.

    Returns:
        The kept rows, and the rejects.
    """
    reason = np.select([mask.to_numpy(dtype=bool) for mask in masks.values()], list(masks), "").astype(object)
    fine = np.flatnonzero(reason == "")
    reason[fine[frame["row_id"].iloc[fine].duplicated().to_numpy()]] = "repeated_id"
    kept = reason == ""
    refused = frame[~kept]
    details = [", ".join(map(str, row)) for row in zip(*(refused[name] for name in detail), strict=True)]
    return frame[kept], reject_rows(source, refused["row_id"], reason[~kept], details)


def captions(
    frame: pd.DataFrame, *, source: str, read_time: Callable = seconds, masks: dict[str, pd.Series] | None = None
) -> Tables:
    """Make rows of `records.CAPTION`.

    Args:
        frame: `row_id`, `path`, `media`, `text`, `view`, `split`, and `start_s`, `end_s` as `read_time` reads them;
            without these two, every caption is of the whole medium.
        source: name of the dataset.
        read_time: turns the columns `start_s` and `end_s` into seconds.
        masks: what else may be wrong, by reason (as in `reject_where`); these reasons come before the common ones.
    """
    made = frame.assign(source=source, text=clean(frame["text"]))
    made, times = _spans(made, read_time)
    every = {**(masks or {}), **_places(made), **times, "empty_text": made["text"] == ""}
    kept, rejects = reject_where(made, every, source=source, detail=["path", "start", "end", "text"])
    return {"captions": _with_id(kept, "caption_id", records.CAPTION)}, rejects


def questions(frame: pd.DataFrame, *, source: str) -> Tables:
    """Make rows of `records.QUESTION`.

    Args:
        frame: `row_id`, `path`, `media`, `question`, `answer`, `wrong_answers`, `other_answers`, `category`, `view`,
            `split`, and `start_s`, `end_s`, numbers; without these two, every question is about the whole medium. The
            two lists may be null; blank answers in them (OpenEQA has one) are left out.
        source: name of the dataset.
    """
    made = frame.assign(source=source, question=clean(frame["question"]), answer=clean(frame["answer"]))
    made, times = _spans(made, seconds)
    lists = {name: [_texts(values) for values in frame[name]] for name in ("wrong_answers", "other_answers")}
    made = made.assign(**{name: [texts or [] for texts in column] for name, column in lists.items()})
    wrong = [answer in texts for answer, texts in zip(made["answer"], made["wrong_answers"], strict=True)]
    unreadable = [None in pair for pair in zip(*lists.values(), strict=True)]
    masks = {
        **_places(made),
        **times,
        "empty_text": (made["question"] == "") | (made["answer"] == ""),
        "bad_answers": pd.Series(unreadable, dtype=bool),
        "wrong_answer_is_right": pd.Series(wrong, dtype=bool),
    }
    kept, rejects = reject_where(made, masks, source=source, detail=["path", "start", "end", "question", "answer"])
    return {"questions": _with_id(kept, "question_id", records.QUESTION)}, rejects


def _texts(values: object) -> list[str] | None:
    """Clean the texts of a list (none for null) and leave out blank ones; None for what is no list of texts."""
    if values is None or values == []:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return [text for text in clean(pd.Series(values, dtype=object)) if text]


def narrations(frame: pd.DataFrame, *, source: str) -> Tables:
    """Make rows of `records.NARRATION` for `point_narrations`; all are of the train split, as no source has another.

    Args:
        frame: `row_id`, `take_id` (the source's video), `annotator_id`, `time_s`, `text`, `ego_visible`;
            spans and subjects are null.
        source: name of the dataset.
    """
    text = clean(frame["text"])
    made = frame.assign(source=source, text=without_subject_tag(text), raw_time=frame["time_s"], split="train")
    made = made.assign(start_s=np.nan, end_s=np.nan, subject=None)
    made["time_s"] = seconds(frame["time_s"])
    made["unsure"] = text.str.contains("#unsure", case=False, regex=False)
    masks = {
        "no_id": (made["row_id"] == "") | (made["take_id"] == ""),
        "not_a_number": ~np.isfinite(made["time_s"]),
        "negative_time": made["time_s"] < 0,
        "empty_text": made["text"] == "",
    }
    kept, rejects = reject_where(made, masks, source=source, detail=["take_id", "raw_time", "text"])
    return {"point_narrations": _with_id(kept, "narration_id", records.NARRATION)}, rejects


def without_subject_tag(texts: pd.Series) -> pd.Series:
    """Drop Ego4D's tag `#C` where the sentence repeats its subject C; other tags stay: nothing else names the subject.

    >>> without_subject_tag(pd.Series(["#C C cuts", "#C cuts", "#O a man cuts"])).tolist()
    ['C cuts', '#C cuts', '#O a man cuts']
    """
    twice = texts.str.match(r"#\s*[Cc]\s+[Cc]\b")
    return texts.where(~twice, texts.str.replace(r"^#\s*[Cc]\s+", "", regex=True))


def _with_id(kept: pd.DataFrame, key: str, schema: pa.Schema) -> pd.DataFrame:
    ids = [content_id(*pair) for pair in zip(kept["source"], kept["row_id"], strict=True)]
    return kept.assign(**{key: ids})[schema.names]


def _spans(frame: pd.DataFrame, read_time: Callable) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Read `start_s` and `end_s`, keep the raw values as `start` and `end`, and return masks by reject reason."""
    if "start_s" not in frame:
        return frame.assign(start_s=np.nan, end_s=np.nan, start="", end=""), {}
    start_s, end_s = read_time(frame["start_s"]), read_time(frame["end_s"])
    return frame.assign(start_s=start_s, end_s=end_s, start=frame["start_s"], end=frame["end_s"]), {
        "not_a_number": ~(np.isfinite(start_s) & np.isfinite(end_s)),
        "negative_time": start_s < 0,
        "end_before_start": start_s > end_s,
        "zero_span": start_s == end_s,
    }


def _places(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "no_id": frame["row_id"] == "",
        "path_outside_root": frame["path"].str.contains(LEAVES_ROOT, regex=True, na=False),
        "no_path": frame["path"].str.contains(r"^$|//|/$", regex=True, na=True),
    }
