import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.sources.shared.cleaning import captions, clean, clock_to_seconds, seconds
from components.data.sources.shared.rejecting import reject_where

patient = settings(deadline=None)  # the first call loads Arrow's functions


@patient
@given(values=st.lists(st.text() | st.none() | st.integers() | st.lists(st.integers(), max_size=1), max_size=5))
def test_clean_text_has_no_control_character_and_no_blank_ends(values):
    for came, text in zip(values, clean(pd.Series(values, dtype=object)), strict=True):
        assert text == text.strip() and text.isascii() | (text.encode().decode() == text)
        assert not any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in text)
        if isinstance(came, str) and came.isalnum():
            assert text == came
        if not isinstance(came, str):
            assert text == ""


@patient
@given(time_s=st.decimals(0, 35_999, places=3), hours=st.booleans())
def test_a_clock_comes_back(time_s, hours):
    minutes, rest = divmod(time_s, 60)
    hour, minute = divmod(int(minutes), 60)
    text = f"{hour}:{minute:02}:{rest:06.3f}" if hours or hour else f"{minute}:{rest:06.3f}"
    assert clock_to_seconds(pd.Series([text]))[0] == pytest.approx(float(time_s), abs=1e-6)


@pytest.mark.parametrize("text", ["", "5", "1:2:3:4", "-0:01", "0:60", "0:99:00", "a:b", "1e3:00", "nan", "0:00:00 x"])
def test_what_is_no_clock_is_no_number(text):
    assert math.isnan(clock_to_seconds(pd.Series([text]))[0])


@pytest.mark.parametrize("value", [None, "x", "", True, [1], {}, 10**400])
def test_what_is_no_number_is_nan(value):
    assert math.isnan(seconds(pd.Series([value], dtype=object))[0])


@patient
@given(
    reasons=st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), max_size=20),
)
def test_every_row_is_kept_or_rejected_for_its_first_reason(reasons):
    first, second, ids = (list(column) for column in zip(*reasons, strict=True)) if reasons else ([], [], [])
    frame = pd.DataFrame({"row_id": pd.Series(ids, dtype="str")}).set_index(np.arange(5, 5 + len(ids)))
    masks = {"one": pd.Series(first, dtype=bool), "two": pd.Series(second, dtype=bool)}
    kept, rejects = reject_where(frame, masks, source="s", detail=["row_id"])
    assert len(kept) + len(rejects) == len(reasons)
    expected, seen = [], set()
    for one, two, row_id in reasons:
        reason = "one" if one else "two" if two else "repeated_id" if row_id in seen else None
        expected += [reason] if reason else []
        seen |= set() if reason else {row_id}
    assert rejects["reason"].tolist() == expected and set(kept["row_id"]) == seen
    assert (rejects["step"] == "annotations/s").all()


def test_details_that_arrow_cannot_hold_are_told_all_the_same():
    frame = pd.DataFrame(
        {"row_id": ["a"], "path": ["p"], "media": "video", "view": "ego", "split": "train"}
        | {"text": pd.Series(["x"], dtype=object), "start_s": pd.Series(["\ud800"], dtype=object), "end_s": [np.nan]}
    )
    tables, rejects = captions(frame, source="s")
    assert len(tables["captions"]) == 0
    assert rejects[["reason", "detail"]].to_dict("records") == [{"reason": "not_a_time", "detail": "p, ?, nan, x"}]
