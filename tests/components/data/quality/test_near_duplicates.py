"""Near-duplicates: which are found, and that as many are counted some rows at a time as in the whole table."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.quality import near_duplicates


def sample(start_s: float, end_s: float, **more) -> dict:
    same = {"corpus": "c", "task": "qa", "question_type": "x", "video_id": "v", "question": "?", "answer": "a"}
    return same | {"start_s": start_s, "end_s": end_s} | more


_SAMPLES = st.builds(
    lambda start_s, length_s, **more: sample(start_s, start_s + length_s, **more),
    st.integers(0, 3).map(lambda n: n / 10),
    st.integers(1, 20).map(lambda n: n / 10),
    video_id=st.sampled_from("vw"),
    answer=st.sampled_from("ab"),
    question_type=st.sampled_from("xy"),
)


def test_the_second_of_two_that_say_the_same_of_nearly_one_span_is_marked():
    rows = [
        sample(5.0, 7.0),
        sample(0.0, 2.0),
        sample(0.1, 2.1),  # IoU 0.9
        sample(0.5, 2.5),  # 0.67 with the one before
        sample(0.0, 2.0, answer="b"),
        sample(0.0, 2.0, video_id="w"),
        sample(0.0, 2.0, question_type="y"),
    ]
    marked = near_duplicates.near_duplicates(pd.DataFrame(rows, index=range(10, 17)))
    assert marked[marked].index.tolist() == [12]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(_SAMPLES, min_size=1, max_size=25), cuts=st.lists(st.integers(0, 25), max_size=4))
def test_what_is_counted_is_what_is_marked_in_the_whole_table_however_it_is_cut(rows, cuts):
    whole = pd.DataFrame(rows).assign(type=lambda frame: frame["question_type"])
    ends = [0, *sorted(cuts), len(whole)]
    parts = [whole[first:last] for first, last in zip(ends, ends[1:], strict=False)]
    counted = near_duplicates.count_by_type(lambda: parts)
    assert (
        counted[counted > 0].to_dict()
        == whole.loc[near_duplicates.near_duplicates(whole), "type"].value_counts().to_dict()
    )
