import json

import pytest
from hypothesis import given

from components.data.sources import internvid
from tests.components.data.sources.written import HOSTILE_PLACES, as_json_lines, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "YoutubeID": "HdYoyzCSWyw",
    "Start_timestamp": "00:03:10.567",
    "End_timestamp": "00:03:11.200",
    "Caption": "woman using a computer mouse and keyboard",
    "Aesthetic_Score": 4.589844,
    "UMT_Score": 0.397949,
}
FILE = "InternVid-10M-flt.jsonl"


def write(root, *rows):
    as_json_lines(root / FILE, rows)
    return root


def test_a_line_becomes_a_caption(tmp_path):
    (row,), rejects = gathered(internvid.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert (row["start_s"], row["end_s"]) == pytest.approx((190.567, 191.2))
    assert (row["path"], row["text"], row["view"]) == ("HdYoyzCSWyw.mp4", GOOD["Caption"], "exo")


@round_trip
@given(text=any_text)
def test_a_caption_comes_back_as_written(tmp_path_factory, text):
    rows, rejects = gathered(internvid.read(write(tmp_path_factory.mktemp("internvid"), GOOD | {"Caption": text})))
    assert [row["text"] for row in rows] == [text] and rejects == []


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"End_timestamp": "00:03:10.0"}, "zero_span"),
        ({"End_timestamp": "00:03:09.0"}, "end_before_start"),
        ({"End_timestamp": None}, "not_a_time"),
        ({"Start_timestamp": "NaN"}, "not_a_time"),
        ({"Caption": None}, "empty_text"),
        ({"Caption": 5}, "malformed_line"),
        ({"YoutubeID": None}, "no_path"),
        ({"Start_timestamp": GOOD["Start_timestamp"]}, "repeated_id"),
        *(({"YoutubeID": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(internvid.read(write(tmp_path, GOOD, GOOD | {"Start_timestamp": "00:03:10.0"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


@pytest.mark.parametrize("line", ['{"YoutubeID": "x', "[]", "words", '{"a": 1}{"b": 2}', "{} {}", '"text"', "[" * 9999])
def test_a_line_that_is_no_object_costs_only_itself(tmp_path, line):
    good = json.dumps(GOOD)
    (tmp_path / FILE).write_text(f"{good}\n{line}\n\n{good.replace('Hd', 'Id')}\n")
    rows, rejects = gathered(internvid.read(tmp_path))
    assert len(rows) == 2
    assert [(row["row_id"], row["reason"]) for row in rejects] == [(f"{FILE}:2", "malformed_line")]


def test_a_missing_file_or_member_is_an_error_that_names_it(tmp_path):
    refuses_missing(internvid.read, tmp_path, "InternVid.*is missing")
    renamed = {name.lower(): value for name, value in GOOD.items()}
    refuses_missing(internvid.read, write(tmp_path, renamed), "missing .*'YoutubeID'")
