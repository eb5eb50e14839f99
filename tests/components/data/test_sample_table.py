"""Ids of samples, the columns that a frame may bring, and what is dropped."""

import math

import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data import sample_table
from components.records import content_id

KEYS = ["corpus", "task", "question_type", "question", "answer", "parent", "video_id", "view", "start_s", "end_s"]


def asked(**columns) -> pd.DataFrame:
    """Two questions with options; `columns` replace some of theirs."""
    said = {"corpus": "egore", "task": "qa", "question_type": "hand", "question": "which hand?", "answer": "left"}
    seen = {"parent": ["c0", "c1"], "video_id": "v", "view": "ego", "start_s": [0.5, 1 / 3], "end_s": [1.5, 2.0]}
    target = {"kind": "choice", "text": None, "choices": [["left", "right"], ["left"]], "answer_index": 0}
    return pd.DataFrame(said | seen | target | {"take_id": "t", "split": "train", "frame_kind": "clip"} | columns)


@settings(max_examples=30)
@given(st.lists(st.floats(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_the_id_of_a_sample_is_of_what_is_asked_and_seen(start_s, questions):
    frame = asked(start_s=start_s, question=questions)
    rows = frame[KEYS].astype(object).itertuples(index=False, name=None)
    assert sample_table.sample_ids(frame).to_pylist() == [content_id(*row) for row in rows]


def test_a_sample_without_a_video_has_an_id():
    ids = sample_table.sample_ids(asked(video_id=["v", None], start_s=[0.5, math.nan])).to_pylist()
    of_video = sample_table.sample_ids(asked()).to_pylist()
    assert ids[0] == of_video[0] and ids[1] != of_video[1]


def test_lists_of_arrow_give_the_table_that_lists_of_python_give():
    frame = asked()
    lists = pd.arrays.ArrowExtensionArray(pa.array(frame["choices"].tolist(), pa.large_list(pa.large_string())))
    made = sample_table.table(frame)
    assert sample_table.table(frame.assign(choices=lists)).equals(made)
    assert [row["choices"] for row in made["target"].to_pylist()] == [["left", "right"], ["left"]]


def test_dropped_rows_keep_their_reason():
    frame = pd.DataFrame({"id": ["a", "b", "c"], "said": ["x", "y", "z"]})
    dropped = sample_table.dropped(frame, ["", "short", "long"], row_id="id", detail="said")
    assert dropped.to_numpy().tolist() == [["b", "short", "y"], ["c", "long", "z"]]
    assert len(sample_table.dropped(frame[:0], "short", row_id="id", detail="said")) == 0
