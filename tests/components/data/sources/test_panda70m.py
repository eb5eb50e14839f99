import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources import panda70m
from tests.components.data.sources.written import HOSTILE_PLACES, delimited, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

TIMES = [["0:01:20.880", "0:01:23.983"], ["0:02:00.000", "0:02:01.500"]]
TEXTS = ["A man's hand, close up.", 'He says "hi".\nTwice.']


def line(times=TIMES, texts=TEXTS, video="abc-_1"):
    return {
        "videoID": video,
        "url": "https://example.org/watch",
        "timestamp": times if isinstance(times, str) else str(times),
        "caption": texts if isinstance(texts, str) else str(texts),
        "matching_score": "[0.5, 0.6]",
        "desirable_filtering": "['desirable', 'desirable']",
        "shot_boundary_detection": "[]",
    }


def write(root, *rows, name="panda70m_training_2m.csv"):
    delimited(root / name, rows)
    return root


def test_each_clip_of_a_source_video_becomes_a_caption(tmp_path):
    write(tmp_path, line(video="w"), name="panda70m_testing.csv")
    rows, rejects = gathered(panda70m.read(write(tmp_path, line())))
    assert rejects == []
    clips = {(row["path"], row["split"], row["start_s"], row["end_s"], row["text"]) for row in rows}
    texts = ["A man's hand, close up.", 'He says "hi". Twice.']  # a line break becomes a space
    spans = [pytest.approx((80.88, 83.983)), pytest.approx((120.0, 121.5))]
    assert len(clips) == 4 and {(clip[0], clip[1]) for clip in clips} == {("abc-_1.mp4", "train"), ("w.mp4", "test")}
    assert [(row["start_s"], row["end_s"]) for row in rows if row["split"] == "train"] == spans
    assert [row["text"] for row in rows if row["split"] == "train"] == texts


@round_trip
@given(texts=st.lists(any_text, min_size=1, max_size=4))
def test_captions_come_back_as_written(tmp_path_factory, texts):
    times = [[f"0:00:0{n}.5", f"0:00:0{n + 1}.5"] for n in range(len(texts))]
    rows, rejects = gathered(panda70m.read(write(tmp_path_factory.mktemp("panda"), line(times, texts))))
    assert [row["text"] for row in rows] == texts and rejects == []


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"times": "[['0:00:01.0'"}, "bad_list"),
        ({"texts": "open('x')"}, "bad_list"),
        ({"texts": "('a', 'b')"}, "bad_list"),
        ({"texts": "(" * 5000}, "bad_list"),
        ({"texts": ["a"]}, "lists_differ"),
        ({"times": [], "texts": []}, "no_clips"),
        ({"times": [["0:00:05.0", "0:00:04.0"]], "texts": ["a"]}, "end_before_start"),
        ({"times": [["0:00:05.0", "0:00:05.0"]], "texts": ["a"]}, "zero_span"),
        ({"times": [["0:00:05.0"]], "texts": ["a"]}, "not_a_time"),
        ({"times": [[5.0, 6.0]], "texts": ["a"]}, "not_a_time"),
        ({"times": [["0:00:05.0", "0:00:06.0"]], "texts": [" "]}, "empty_text"),
        ({"times": [["0:00:05.0", "0:00:06.0"]], "texts": [7]}, "empty_text"),
        ({"times": TIMES[:1], "texts": ["a"]}, "repeated_id"),
        ({"video": "", "times": TIMES[:1], "texts": ["a"]}, "no_path"),
        *(({"video": place, "times": TIMES[:1], "texts": ["a"]}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_line_or_clip_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(panda70m.read(write(tmp_path, line(), line(**edit))))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(panda70m.read, tmp_path, "panda70m.*is missing")
    refuses_missing(panda70m.read, write(tmp_path, {"videoID": "v", "caption": "[]"}), "missing .*timestamp")
