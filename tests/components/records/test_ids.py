"""The ids of whole columns are those of their rows, whatever the numbers in them."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from components.records import content_id, content_ids

ROWS = st.lists(st.tuples(st.text(), st.floats()))


@given(ROWS)
@example([("", number) for number in (0.0, -0.0, 2.0, 0.1, 1e-4, 9.9e-5, 1e10, 87480449799.78053, 1e16, 5e-324)])
def test_ids_of_columns_are_those_of_their_rows(rows):
    texts, numbers = [text for text, _ in rows], np.array([number for _, number in rows], dtype=np.float64)
    assert content_ids("clip", texts, numbers).to_pylist() == [content_id("clip", *row) for row in rows]


@given(st.lists(st.floats(1e-5, 1e11)))
def test_seconds_are_written_as_python_writes_them(seconds):
    assert content_ids(np.array(seconds, dtype=np.float64)).to_pylist() == [content_id(each) for each in seconds]
