import pytest
from hypothesis import given

from components.data.sources import ssv2
from tests.components.data.sources.written import HOSTILE_PLACES, as_json, gathered, lines, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "id": "78687",
    "label": "holding potato next to vicks vaporub bottle",
    "template": "Holding [something] next to [something]",
    "placeholders": ["potato", "vicks vaporub bottle"],
}
CLASSES = {"Approaching something with your camera": "0", "Holding something next to something": "57"}


def write(root, *train, validation=(GOOD | {"id": "2"},), test=()):
    as_json(root / "labels/labels.json", CLASSES)
    for name, content in (("train", train), ("validation", validation), ("test", test)):
        as_json(root / f"labels/{name}.json", content)
    return root


def test_an_element_becomes_a_caption_of_its_whole_video(tmp_path):
    rows, rejects = gathered(ssv2.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert [(row["path"], row["split"]) for row in rows] == [("78687.webm", "train"), ("2.webm", "test")]
    assert rows[0]["text"] == GOOD["label"] and rows[0]["start_s"] != rows[0]["start_s"]


@round_trip
@given(text=any_text)
def test_a_label_comes_back_as_written(tmp_path_factory, text):
    rows, _ = gathered(ssv2.read(write(tmp_path_factory.mktemp("ssv2"), GOOD | {"label": text})))
    assert rows[0]["text"] == text


def test_videos_without_a_label_are_rejects(tmp_path):
    rows, rejects = gathered(ssv2.read(write(tmp_path, GOOD, test=[{"id": "3"}, {"id": "4"}])))
    assert len(rows) == 2
    assert [(row["row_id"], row["reason"]) for row in rejects] == [("3", "no_label"), ("4", "no_label")]


def test_answers_of_the_test_videos_are_captions(tmp_path):
    write(tmp_path, GOOD, test=[{"id": "3"}, {"id": "4"}, {"id": "6"}])
    said = "Approaching something with your camera"
    lines(tmp_path / "labels/test-answers.csv", [f"3;{said}", f"4;{said}", "5;Juggling something", "7"])
    rows, rejects = gathered(ssv2.read(tmp_path))
    assert [(row["path"], row["text"], row["split"]) for row in rows[2:]] == [
        ("3.webm", said, "test"),
        ("4.webm", said, "test"),
    ]
    assert [(row["row_id"], row["reason"]) for row in rejects] == [
        ("test-answers.csv:4", "malformed_line"),
        ("5", "unknown_template"),
        ("6", "no_label"),
    ]


@pytest.mark.parametrize("folder", ["", "labels"])
def test_files_of_the_older_release_are_found_by_their_names(tmp_path, folder):
    write(tmp_path / "new", GOOD, test=[{"id": "3"}])
    for path in (tmp_path / "new/labels").iterdir():
        older = tmp_path / "old" / folder / f"something-something-v2-{path.name}"
        older.parent.mkdir(parents=True, exist_ok=True)
        path.rename(older)
    rows, rejects = gathered(ssv2.read(tmp_path / "old"))
    assert [row["path"] for row in rows] == ["78687.webm", "2.webm"]
    assert [row["reason"] for row in rejects] == ["no_label"]


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"template": "Juggling [something]"}, "unknown_template"),
        ({"template": None}, "unknown_template"),
        ({"label": ""}, "empty_text"),
        ({"label": None}, "empty_text"),
        ({"id": ""}, "no_id"),
        ({"id": "78687"}, "repeated_id"),
        *(({"id": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_element_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(ssv2.read(write(tmp_path, GOOD, GOOD | {"id": "5"} | edit)))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_file_or_member_is_an_error_that_names_it(tmp_path):
    refuses_missing(ssv2.read, tmp_path, "labels.json is missing")
    write(tmp_path, {"id": "1", "label": "x"})
    refuses_missing(ssv2.read, tmp_path, "train.json: .*missing .*template")
