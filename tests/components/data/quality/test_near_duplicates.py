"""Near-duplicates counted some rows at a time: as many as are marked in the whole table."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.quality import contamination, near_duplicates
from tests.components.data.quality.test_contamination import sample

_SAMPLES = st.builds(
    lambda start_s, length_s, **more: sample(start_s, start_s + length_s, **more),
    st.integers(0, 3).map(lambda n: n / 10),
    st.integers(1, 20).map(lambda n: n / 10),
    video_id=st.sampled_from("vw"),
    answer=st.sampled_from("ab"),
    question_type=st.sampled_from("xy"),
)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(_SAMPLES, min_size=1, max_size=25), cuts=st.lists(st.integers(0, 25), max_size=4))
def test_what_is_counted_is_what_is_marked_in_the_whole_table_however_it_is_cut(rows, cuts):
    whole = pd.DataFrame(rows).assign(type=lambda frame: frame["question_type"])
    ends = [0, *sorted(cuts), len(whole)]
    parts = [whole[first:last] for first, last in zip(ends, ends[1:], strict=False)]
    counted = near_duplicates.by_type(lambda: parts)
    assert (
        counted[counted > 0].to_dict()
        == whole.loc[contamination.near_duplicates(whole), "type"].value_counts().to_dict()
    )
