"""From the cells of any source to rows of the records: text and times are cleaned, bad rows rejected with a reason.

Text: control characters (Unicode category Cc) become spaces, lone surrogates are dropped, both ends are stripped; a
value that is no text counts as empty. A path must be relative and stay below its root, else the row is rejected as
`path_outside_root`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.sources.shared.rejecting import PLACES, Tables, reject_where
from components.records import content_ids
from components.records.patterns import CONTROL_CHARACTERS, LEAVES_ROOT, option_key

_CLOCK = r"^\s*(?:(?P<h>[0-9]{1,4}):)?(?P<m>[0-5]?[0-9]):(?P<s>[0-5]?[0-9](?:\.[0-9]{1,9})?)\s*$"
# in the syntax of RE2: `\s` and `\b` know ASCII alone
_SUBJECT_TWICE = r"^#[\s\p{Zs}]*[Cc][\s\p{Zs}]+([Cc])([^\p{L}\p{N}_]|$)"
# Tools write a time as a difference of two rounded ones, or from the number of a frame: the start of a video can come
# out as -0.02. What is further before the start is no rounding, and an error.
ROUNDING_S = 0.05


def clean(values: pd.Series) -> pd.Series:
    """Return text without control characters and without spaces at its ends; "" for what is no text.

    >>> clean(pd.Series([" a cat ", None, 3], dtype=object)).tolist()
    ['a cat', '', '']
    """
    given = _texts(values.tolist()) if values.dtype == object else as_arrow(values)
    return pd.Series(_cleaned(given), index=values.index, dtype="str")


def _cleaned(given: pa.Array) -> pa.Array:
    texts = pc.fill_null(given, "")
    odd = pc.invert(pc.ascii_is_printable(texts))  # the pattern takes most of the time, and few texts need it
    spaced = _with_some(texts, odd, pc.replace_substring_regex(texts.filter(odd), CONTROL_CHARACTERS, " "))
    return pc.utf8_trim_whitespace(spaced)


def _with_some(texts: pa.Array, replaced: pa.Array, others: pa.Array) -> pa.Array:
    """Return texts with others, in order, in the place of those that are replaced; usually none is, and none copied."""
    return pc.replace_with_mask(texts, replaced, others) if len(others) else texts


def as_arrow(texts: pd.Series) -> pa.Array:
    """Return texts as one array; `pa.array` returns chunks where pandas holds the texts in chunks."""
    return pa.table({"text": texts})["text"].combine_chunks().cast(pa.string())


def _texts(values: list) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        # from JSON: any type, and lone surrogates, which Arrow cannot hold
        return pa.array([text.encode(errors="ignore").decode() if isinstance(text, str) else "" for text in values])


def seconds(values: pd.Series) -> pd.Series:
    """Return numbers as float64, NaN for what is no number.

    >>> seconds(pd.Series(["1.5", "x"])).tolist()
    [1.5, nan]
    """
    if values.dtype == object:
        is_float = set(map(type, values)) == {float}
        numbers = values if is_float else [_number(value) for value in values]
        values = pd.Series(numbers, index=values.index, dtype="float64")
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


def from_zero(times_s: pd.Series) -> pd.Series:
    """Return times with zero in the place of those that a rounding has put before the start.

    >>> from_zero(pd.Series([-0.02, -0.06, 1.5])).tolist()
    [0.0, -0.06, 1.5]
    """
    return times_s.mask((times_s < 0) & (times_s > -ROUNDING_S), 0.0)


def file_names(ids: pd.Series, suffix: str) -> pd.Series:
    """Return the file name of each id, which is the id and a suffix; "" for an empty id."""
    return (ids + suffix).mask(ids == "", "")


def joined(*columns: pd.Series) -> pd.Series:
    """Join the cleaned texts of each row by slashes.

    >>> joined(pd.Series(["a", "b"]), pd.Series(["1", ""])).tolist()
    ['a/1', 'b/']
    """
    rows = pc.binary_join_element_wise(*map(as_arrow, columns), "/")
    return pd.Series(rows, index=columns[0].index, dtype="str")


def join_paths(folders: pd.Series, files: pd.Series) -> pd.Series:
    """Join each folder and the file in it by a slash; "" where one of the two is empty."""
    return (folders + "/" + files).mask((folders == "") | (files == ""), "")


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
    return {"captions": with_ids(kept, "caption_id", records.CAPTION)}, rejects


def questions(frame: pd.DataFrame, *, source: str) -> Tables:
    """Make rows of `records.QUESTION`.

    Args:
        frame: `row_id`, `path`, `media`, `question`, `answer`, `wrong_answers`, `other_answers`, `category`, `view`,
            `split`, and `start_s`, `end_s`, numbers; without these two, every question is about the whole medium. The
            two lists may be null; blank answers in them (OpenEQA has one) are left out, and so are repeated ones.
        source: name of the dataset.
    """
    made = frame.assign(source=source, question=clean(frame["question"]), answer=clean(frame["answer"]))
    made, times = _spans(made, seconds)
    wrong, other = (_Options(frame[name].tolist()) for name in ("wrong_answers", "other_answers"))
    made = made.assign(wrong_answers=wrong.lists(), other_answers=other.lists())
    masks = {
        **_places(made),
        **times,
        "empty_text": (made["question"] == "") | (made["answer"] == ""),
        "bad_answers": pd.Series(wrong.are_unreadable | other.are_unreadable),
        "wrong_answer_is_right": pd.Series(wrong.have(made["answer"])),
    }
    kept, rejects = reject_where(made, masks, source=source, detail=["path", "start", "end", "question", "answer"])
    return {"questions": with_ids(kept, "question_id", records.QUESTION)}, rejects


class _Options:
    """The options of N questions, all in one column: a call for each list would take ten times as long."""

    def __init__(self, lists: list) -> None:
        """Take what JSON has: lists of texts, or null; of anything else no text is taken."""
        self.are_unreadable = _are_no_texts(lists)
        given = lists
        if self.are_unreadable.any():
            given = [None if bad else values for values, bad in zip(lists, self.are_unreadable.tolist(), strict=True)]
        given = [values or () for values in given]
        self._texts = _cleaned(_texts(list(chain.from_iterable(given))))
        self._keys = _option_keys(self._texts)
        self._question = np.repeat(np.arange(len(given)), np.fromiter(map(len, given), np.int64, len(given)))

    def lists(self) -> pd.Series:
        """Return the texts of each question without blank ones and those that are one option with an earlier one."""
        keys = pc.dictionary_encode(self._keys)
        in_question = self._question * len(keys.dictionary) + keys.indices.to_numpy()  # one number for both
        is_repeated = pd.Series(in_question).duplicated().to_numpy()
        kept = ~is_repeated & pc.not_equal(self._keys, "").to_numpy(zero_copy_only=False)
        sizes = np.bincount(self._question[kept], minlength=len(self.are_unreadable))
        ends = pa.array(np.append(0, np.cumsum(sizes)), pa.int32())
        made = pa.ListArray.from_arrays(ends, self._texts.filter(pa.array(kept)))
        return pd.Series(made, dtype=pd.ArrowDtype(made.type))

    def have(self, answers: pd.Series) -> np.ndarray:
        """Return bool [N], whether an answer, a cleaned text, is one with an option of its question."""
        keys = _option_keys(as_arrow(answers)).take(pa.array(self._question))
        is_same = pc.equal(keys, self._keys).to_numpy(zero_copy_only=False)
        return np.bincount(self._question[is_same], minlength=len(answers)) > 0


def _are_no_texts(lists: list) -> np.ndarray:
    """Return bool [N], whether what came is neither a list of texts nor null."""
    given = [values for values in lists if values is not None]
    if set(map(type, given)) <= {list} and set(map(type, chain.from_iterable(given))) <= {str}:
        return np.zeros(len(lists), dtype=bool)  # nearly always, and a tenth of the time
    return np.array([not _are_texts(values) for values in lists], dtype=bool)


def _are_texts(values: object) -> bool:
    return values is None or isinstance(values, list) and all(isinstance(text, str) for text in values)


def _option_keys(texts: pa.Array) -> pa.Array:
    """Return the `option_key` of each cleaned text; of ASCII with single spaces, which most are, all at once."""
    ended = pc.ends_with(texts, ".")
    bare = _with_some(texts, ended, pc.replace_substring_regex(texts.filter(ended), r" ?\.$", ""))
    others = pc.or_(pc.invert(pc.string_is_ascii(texts)), pc.match_substring(texts, "  "))
    of_others = [option_key(text) for text in texts.filter(others).to_pylist()]
    return _with_some(pc.ascii_lower(bare), others, pa.array(of_others, pa.string()))


def narrations(frame: pd.DataFrame, *, source: str) -> Tables:
    """Make rows of `records.NARRATION` for `point_narrations`; all are of the train split, as no source has another.

    Args:
        frame: `row_id`, `take_id` (the source's video), `annotator_id`, `time_s`, `text`, `ego_visible`;
            spans, subjects and exo cameras are null.
        source: name of the dataset.
    """
    text = clean(frame["text"])
    made = frame.assign(source=source, text=without_subject_tag(text), raw_time=frame["time_s"], split="train")
    made = made.assign(start_s=np.nan, end_s=np.nan, subject=None, best_exo=None)
    made["time_s"] = from_zero(seconds(frame["time_s"]))
    made["unsure"] = text.str.contains("#unsure", case=False, regex=False)
    masks = {
        "no_id": (made["row_id"] == "") | (made["take_id"] == ""),
        "not_a_time": ~np.isfinite(made["time_s"]),
        "negative_time": made["time_s"] < 0,
        "empty_text": made["text"] == "",
    }
    kept, rejects = reject_where(made, masks, source=source, detail=["take_id", "raw_time", "text"])
    return {"point_narrations": with_ids(kept, "narration_id", records.NARRATION)}, rejects


def without_subject_tag(texts: pd.Series) -> pd.Series:
    """Drop Ego4D's tag `#C` where the sentence repeats its subject C; other tags stay: nothing else names the subject.

    >>> without_subject_tag(pd.Series(["#C C cuts", "#C cuts", "#O a man cuts"])).tolist()
    ['C cuts', '#C cuts', '#O a man cuts']
    """
    bare = pc.replace_substring_regex(pa.array(texts, pa.string()), _SUBJECT_TWICE, r"\1\2")
    return pd.Series(bare, index=texts.index, dtype="str")


def with_ids(kept: pd.DataFrame, key: str, schema: pa.Schema) -> pd.DataFrame:
    """Return the columns of a schema, with ids, and those that say where a row stands in its source."""
    ids = pd.Series(content_ids(kept["source"], kept["row_id"]), index=kept.index, dtype="str")
    return kept.assign(**{key: ids})[[*schema.names, *(name for name in PLACES if name in kept)]]


def _spans(frame: pd.DataFrame, read_time: Callable) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Read `start_s` and `end_s`, keep the raw values as `start` and `end`, and return masks by reject reason."""
    if "start_s" not in frame:
        return frame.assign(start_s=np.nan, end_s=np.nan, start="", end=""), {}
    start_s, end_s = (from_zero(read_time(frame[name])) for name in ("start_s", "end_s"))
    return frame.assign(start_s=start_s, end_s=end_s, start=frame["start_s"], end=frame["end_s"]), {
        "not_a_time": ~(np.isfinite(start_s) & np.isfinite(end_s)),
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
