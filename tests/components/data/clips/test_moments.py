"""Takes by number and rows in order, against plain readings of both."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.clips import moments

# close to one another, equal, and of any size: what the upper half of their bits tells apart and what it does not
VALUE = st.sampled_from([-0.0, 0.0, 1.0, 1.0 + 1e-12, 1.0 - 1e-12, -1.0, -1.0 - 1e-12, math.inf, -math.inf])
ROWS = st.lists(st.tuples(st.integers(-1, 70_000), VALUE | st.floats(allow_nan=False), st.text("ab", max_size=2)))


@settings(deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([np.int64, np.int32]))
def test_rows_sort_by_group_value_and_text(rows, in_order, dtype):
    rows = sorted(rows) if in_order else rows
    group, value = np.array([row[0] for row in rows], dtype=dtype), np.array([row[1] for row in rows], dtype=float)
    order = moments.sorted_rows(group, value, pd.Series([row[2] for row in rows], dtype="str"))
    assert order.tolist() == sorted(range(len(rows)), key=lambda row: rows[row])


TAKEN = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=9)


@settings(deadline=None)
@given(TAKEN, TAKEN)
def test_takes_are_numbered_by_name_and_source(said, filmed):
    tables = (pd.DataFrame(rows, columns=moments.TAKE, dtype="str") for rows in (said, filmed))
    narrations, videos = moments.numbered(*tables)
    number = {take: place for place, take in enumerate(sorted(set(filmed)))}
    assert narrations["take"].tolist() == [number.get(take, -1) for take in said]
    assert videos["take"].tolist() == [number[take] for take in filmed]


@pytest.mark.parametrize("text", ["str", "object"])
def test_a_group_that_is_dropped_says_why(text):
    narrations = pd.DataFrame({"take_id": ["a", "b", "b"], "source": "s"}, dtype=text)
    videos = pd.DataFrame(
        {"take_id": ["c", "b", "a", "c", "a"], "source": "s", "view": ["ego", "exo", "ego"] + 2 * ["exo"]}
    )
    kept, dropped = moments.groups(*moments.numbered(narrations, videos.astype(text)))
    assert kept["take_id"].tolist() == ["a", "a"]
    assert dropped.to_dict("records") == [
        {"row_id": "b", "reason": "group_without_ego_video", "detail": "1 videos"},
        {"row_id": "c", "reason": "group_without_narration", "detail": "2 videos"},
    ]
