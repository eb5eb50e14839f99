"""Tallies are the same however the rows are cut into batches."""

from functools import reduce

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.statistics import counts
from components.data.statistics.counts import CorpusCounts

moments = st.lists(
    st.tuples(
        st.sampled_from(("egoexo4d", "egoexo4d", "other")),
        st.integers(0, 3),  # take
        st.floats(0, 10),  # start_s
        st.floats(0.1, 5),  # seconds
        st.integers(1, 40),  # words
        st.lists(st.sampled_from(("ego", "exo")), min_size=1, max_size=4),
    ),
    max_size=12,
)
cuts = st.lists(st.integers(0, 30), max_size=6)


def batches(rows: pd.DataFrame, cuts: list[int]) -> list[pd.DataFrame]:
    ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [rows.iloc[start:end] for start, end in zip(ends, ends[1:], strict=False)]


def clip_rows(moments: list[tuple]) -> pd.DataFrame:
    rows = [
        {"moment_id": f"m{number}", "source": source, "take_id": f"take-{take}", "view": view, "start_s": start_s}
        | {"end_s": start_s + seconds, "text": "word " * words, "split": "test" if take == 3 else "train"}
        for number, (source, take, start_s, seconds, words, views) in enumerate(moments)
        for view in views
    ]
    return pd.DataFrame(rows, columns=counts.CLIP_COLUMNS).astype({"start_s": float, "end_s": float, "text": "str"})


@settings(max_examples=30, deadline=None)
@given(moments, cuts)
def test_clips_give_the_same_counts_however_they_are_cut(moments, cuts):
    rows = clip_rows(moments)
    parts, whole = (
        reduce(counts.add, counts.of_clips(given), CorpusCounts()) for given in (batches(rows, cuts), [rows])
    )
    own = [moment for moment in moments if moment[0] == "egoexo4d"]
    assert sum(parts.moments.values()) == len(own)
    assert sum(parts.clips.values()) == sum(len(views) for *_, views in own)
    for name in ("clips", "moments", "under_1s"):
        # a take's fate is that of its first clip: the order counts
        assert list(getattr(parts, name).items()) == list(getattr(whole, name).items())
    for name in ("duration_s", "words"):
        mine, others = getattr(parts, name), getattr(whole, name)
        assert mine.keys() == others.keys()
        for split, found in mine.items():
            assert found.statistics == pytest.approx(others[split].statistics, rel=1e-9, abs=1e-9)
            assert found.largest == others[split].largest
            assert found.histogram.tolist() == others[split].histogram.tolist()
            assert found.histogram.sum() == found.statistics[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("egoexo4d", "other")), st.sampled_from("abc"), st.integers(1, 99))), cuts)
def test_videos_and_narrations_are_counted_by_take_however_they_are_cut(listed, cuts):
    rows = pd.DataFrame(listed, columns=counts.VIDEO_COLUMNS).astype({"source": "str", "duration_s": float})
    found = reduce(counts.add, map(counts.of_videos, batches(rows, cuts)), CorpusCounts())
    said = reduce(counts.add, map(counts.of_narrations, batches(rows, cuts)), CorpusCounts())
    seconds_of: dict[str, list[int]] = {}
    for source, take, seconds in listed:
        if source == "egoexo4d":
            seconds_of.setdefault(take, []).append(seconds)
    assert found.videos == said.narrations == {take: len(seconds) for take, seconds in seconds_of.items()}
    assert found.video_s == {take: sum(seconds) for take, seconds in seconds_of.items()}


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_rejects_of_the_two_steps_are_counted_and_no_others(cuts):
    rejects = [
        *(("annotations/egoexo4d", f"v{n}", "pseudo_camera") for n in range(3)),
        ("annotations/egoexo4d", "v4", "group_of_cameras"),
        *(("annotations/visor", f"b{n}", "no_video") for n in range(2)),
        ("clips", "take-1", "group_without_narration"),
        *(("clips", f"n{n}", "unsure") for n in range(2)),
    ]
    rows = pd.DataFrame(rejects, columns=counts.REJECT_COLUMNS)
    found = reduce(counts.add, map(counts.of_rejects, batches(rows, cuts)), CorpusCounts())
    assert found.drops == {
        ("annotations/egoexo4d", "pseudo_camera"): 3, ("annotations/egoexo4d", "group_of_cameras"): 1,
        ("clips", "group_without_narration"): 1, ("clips", "unsure"): 2,
    }  # fmt: skip
    assert found.dropped_groups == {("take-1", "group_without_narration"): 1}
