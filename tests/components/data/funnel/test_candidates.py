"""What is said becomes spans; whole videos stay together, whatever the size of a part."""

from collections import Counter

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import records
from components.data.funnel import candidates


def said(vid, time_s, text="C cuts", number=0):
    row = dict.fromkeys(records.NARRATION.names) | {"source": "htm_aa", "take_id": vid, "time_s": float(time_s)}
    return row | {"narration_id": records.content_id(vid, time_s, number), "text": text, "split": "train"}


def told(path, start_s, end_s):
    row = dict.fromkeys(records.CAPTION.names) | {"source": "interlink7m", "path": path, "media": "video"}
    return row | {"caption_id": records.content_id(path, start_s), "start_s": start_s, "end_s": end_s, "text": "a cup"}


def spans(frame: pd.DataFrame) -> list[tuple]:
    return list(frame[["start_s", "end_s", "reason"]].itertuples(index=False, name=None))


def test_a_sentence_lasts_until_the_next_one_of_its_video_and_ten_seconds_at_most():
    made = candidates.from_sentences(pd.DataFrame([said("a", 30), said("b", 1), said("a", 4), said("a", 7)]))
    assert spans(made) == [(4, 7, ""), (7, 17, ""), (30, 40, ""), (1, 11, "")]
    assert made["path"].tolist()[-1] == "videos/b.mp4"


def test_two_sentences_at_one_time_get_the_same_span():
    made = candidates.from_sentences(pd.DataFrame([said("a", 4), said("a", 4, number=1), said("a", 6.5)]))
    assert spans(made) == [(4, 6.5, ""), (4, 6.5, ""), (6.5, 16.5, "")]
    assert made["clip_id"].is_unique


@given(st.lists(st.floats(0, 500), min_size=1, max_size=12))
def test_no_candidate_is_shorter_than_a_second_or_longer_than_ten(times):
    made = candidates.from_sentences(pd.DataFrame([said("a", time_s, number=n) for n, time_s in enumerate(times)]))
    length_s = made["end_s"] - made["start_s"]
    assert len(made) == len(times)
    assert ((made["reason"] == "") == length_s.between(1, 10)).all()


def test_a_caption_keeps_its_span_and_one_of_another_length_is_told():
    rows = [told("food/a.mp4", 0.0, 5.0), told("food/a.mp4", 5.0, 5.5), told("food/b.webm", 1.0, 12.0)]
    made = candidates.from_captions(pd.DataFrame([*rows, told("food/b.webm", None, None)]))
    assert spans(made)[:3] == [(0, 5, ""), (5, 5.5, "under_1_s"), (1, 12, "over_10_s")]
    assert made["reason"].tolist()[3] == "no_span"
    assert made["take_id"].tolist() == ["a", "a", "b", "b"]


@pytest.fixture
def corpus(tmp_path):
    rows = [said(f"v{video}", 3 * time) for video in range(7) for time in range(video + 1)]
    other = [said("elsewhere", 1) | {"source": "ego4d"}]
    records.write_table(tmp_path / "annotations/point_narrations.parquet", rows + other, records.NARRATION)
    captions = [told(f"{video}.mp4", 2.0 * n, 2.0 * n + 2) for video in range(3) for n in range(2)]
    records.write_table(tmp_path / "annotations/captions.parquet", captions, records.CAPTION)
    return tmp_path


@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_parts_hold_whole_videos_and_every_row_once(corpus, tmp_path, rows):
    parts = list(candidates.write(corpus, tmp_path / f"parts-{rows}", ["htm_aa", "interlink7m"], rows=rows))
    assert sum(read for _, read, _ in parts) == 28 + 6 and not any(len(refused) for *_, refused in parts)
    held = [pq.read_table(path).to_pandas() for path, *_ in parts]
    assert len({clip for part in held for clip in part["clip_id"]}) == sum(map(len, held)) == 34
    assert max(Counter(path for part in held for path in part["path"].unique()).values()) == 1
    if rows == 1:
        assert len(parts) == 10


def test_a_video_whose_rows_come_again_is_judged_once(tmp_path):
    rows = [said("a", 0), said("b", 0), said("b", 5), said("a", 9)]
    records.write_table(tmp_path / "annotations/point_narrations.parquet", rows, records.NARRATION)
    made = pd.concat(candidates.read(tmp_path, "htm_aa", rows=1))
    assert dict(zip(made["parent"], made["reason"], strict=True)) == {
        row["narration_id"]: reason for row, reason in zip(rows, ["", "", "", "video_in_pieces"], strict=True)
    }
