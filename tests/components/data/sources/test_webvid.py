import pytest
from hypothesis import given

from components.data.sources import webvid
from tests.components.data.sources.written import HOSTILE_PLACES, delimited, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "videoid": "21179416",
    "contentUrl": "https://example.org/21179416.mp4",
    "duration": "PT00H00M17S",
    "page_dir": "006001_006050",
    "name": "Aerial shot winter forest",
}


def write(root, *rows, name="results_2M_train.csv"):
    delimited(root / name, rows)
    return root


def test_a_line_becomes_a_caption_of_its_whole_video(tmp_path):
    write(tmp_path, GOOD | {"videoid": "2"}, name="results_2M_val.csv")
    rows, rejects = gathered(webvid.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert [(row["path"], row["split"]) for row in rows] == [
        ("videos/006001_006050/21179416.mp4", "train"),
        ("videos/006001_006050/2.mp4", "test"),
    ]
    assert rows[0]["start_s"] != rows[0]["start_s"] and rows[0]["text"] == GOOD["name"]


def test_columns_are_read_by_name(tmp_path):
    other = {name: GOOD[name] for name in ("videoid", "name")} | {"page_idx": "1"} | GOOD
    rows, _ = gathered(webvid.read(write(tmp_path, dict(sorted(other.items())))))
    assert rows[0]["text"] == GOOD["name"]


@round_trip
@given(text=any_text)
def test_a_name_comes_back_as_written(tmp_path_factory, text):
    rows, rejects = gathered(webvid.read(write(tmp_path_factory.mktemp("webvid"), GOOD | {"name": text})))
    assert [row["text"] for row in rows] == [text] and rejects == []


def test_a_line_break_in_a_name_is_part_of_it(tmp_path):
    said = GOOD | {"name": "Aerial shot,\n\n winter forest\n"}
    rows, rejects = gathered(webvid.read(write(tmp_path, said, GOOD | {"videoid": "2"})))
    assert [row["text"] for row in rows] == ["Aerial shot,  winter forest", GOOD["name"]] and rejects == []


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"name": ""}, "empty_text"),
        ({"videoid": ""}, "no_id"),
        ({"page_dir": ""}, "no_path"),
        ({"videoid": "21179416"}, "repeated_id"),
        ({"page_dir": ".."}, "path_outside_root"),
        *(({"videoid": place}, "path_outside_root") for place in ("../../../a", "..\\a")),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(webvid.read(write(tmp_path, GOOD, GOOD | {"videoid": "2"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


@pytest.mark.parametrize("place", HOSTILE_PLACES)
def test_a_hostile_folder_is_rejected_or_stays_below_videos(tmp_path, place):
    rows, rejects = gathered(webvid.read(write(tmp_path, GOOD | {"page_dir": place})))
    assert len(rows) + len(rejects) == 1
    assert all(row["path"].startswith("videos/") and ".." not in row["path"] for row in rows)


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(webvid.read, tmp_path, "results_.*is missing")
    refuses_missing(webvid.read, write(tmp_path, {"videoid": "1", "name": "x"}), "missing .*page_dir")
