import pytest
from hypothesis import given

from components.data.sources import vidal
from tests.components.data.sources.written import HOSTILE_PLACES, as_json, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "folder": "coco_vat_9",
    "mplug": "This video describes scuba divers.",
    "polish_mplug": "scuba divers are seen rolling backwards off a boat.",
    "ofa": [" a man in a wet suit"] * 8,
    "sound_mplug": "scuba divers with laughter",
    "raw": "title #tag",
}


def write(root, content):
    as_json(root / "video.json", content)
    return root


def test_a_member_becomes_a_caption_of_its_whole_video(tmp_path):
    (row,), rejects = gathered(vidal.read(write(tmp_path, {"ImkVYKWqlDU": GOOD})))
    assert rejects == []
    assert (row["path"], row["text"]) == ("coco_vat_9/ImkVYKWqlDU.mp4", GOOD["polish_mplug"])
    assert row["start_s"] != row["start_s"] and (row["view"], row["split"]) == ("exo", "train")


@round_trip
@given(text=any_text)
def test_a_caption_comes_back_as_written(tmp_path_factory, text):
    rows, _ = gathered(vidal.read(write(tmp_path_factory.mktemp("vidal"), {"v": GOOD | {"polish_mplug": text}})))
    assert [row["text"] for row in rows] == [text]


@pytest.mark.parametrize(
    "key, value, reason",
    [
        ("w", GOOD | {"polish_mplug": ""}, "empty_text"),
        ("w", {"folder": "f"}, "empty_text"),
        ("w", {"polish_mplug": "x"}, "no_path"),
        ("w", [], "not_an_object"),
        ("", GOOD, "no_id"),
        *((("w", GOOD | {"folder": place}, "path_outside_root")) for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_member_is_a_reject(tmp_path, key, value, reason):
    rows, rejects = gathered(vidal.read(write(tmp_path, {"v": GOOD, key: value})))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_a_key_that_stands_twice_is_a_reject_and_does_not_replace_the_first(tmp_path):
    (tmp_path / "video.json").write_text(
        '{"v": {"folder": "f", "polish_mplug": "first"}, "v": {"folder": "f", "polish_mplug": "second"}}'
    )
    rows, rejects = gathered(vidal.read(tmp_path))
    assert [row["text"] for row in rows] == ["first"] and [row["reason"] for row in rejects] == ["repeated_id"]


def test_a_missing_file_or_member_is_an_error_that_names_it(tmp_path):
    refuses_missing(vidal.read, tmp_path, ".json is missing")
    refuses_missing(vidal.read, write(tmp_path, {"v": {"folder": "f"}}), "missing .*polish_mplug")
