import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources import htm_aa
from tests.components.data.sources.written import delimited, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {"vid": "6yooogsTG8k", "timestamp": "284", "text": "and starting with pink i'm just going to knead that"}


def write(root, *rows):
    delimited(root / htm_aa.FILE, rows)
    return root


def test_a_line_becomes_a_narration_of_its_video(tmp_path):
    (row,), rejects = gathered(htm_aa.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert (row["take_id"], row["time_s"], row["text"]) == ("6yooogsTG8k", 284.0, GOOD["text"])
    assert (row["annotator_id"], row["ego_visible"], row["unsure"]) == ("", None, False)


@round_trip
@given(text=any_text, time_s=st.integers(0, 100_000))
def test_text_and_time_come_back_as_written(tmp_path_factory, text, time_s):
    root = write(tmp_path_factory.mktemp("htm"), GOOD | {"text": text, "timestamp": time_s})
    (row,), _ = gathered(htm_aa.read(root))
    assert (row["text"], row["time_s"]) == (text, time_s)


def test_a_time_that_a_rounding_put_before_the_start_is_zero(tmp_path):
    (row,), _ = gathered(htm_aa.read(write(tmp_path, GOOD | {"timestamp": "-0.03"})))
    assert row["time_s"] == 0.0


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"timestamp": ""}, "not_a_time"),
        ({"timestamp": "nan"}, "not_a_time"),
        ({"timestamp": "-inf"}, "not_a_time"),
        ({"timestamp": "-1"}, "negative_time"),
        ({"text": "\x07"}, "empty_text"),
        ({"vid": " "}, "no_id"),
        ({"timestamp": "284"}, "repeated_id"),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(htm_aa.read(write(tmp_path, GOOD, GOOD | {"timestamp": "285"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(htm_aa.read, tmp_path, "htm_aa_v1.csv is missing")
    refuses_missing(htm_aa.read, write(tmp_path, {"vid": "v", "text": "x"}), "missing .*timestamp")
