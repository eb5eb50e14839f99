import pytest

from components.data.sources import dci
from tests.components.data.sources.written import HOSTILE_PLACES, as_json, gathered, refuses_missing

GOOD = {
    "image": "sa_1543972.jpg",
    "short_caption": "A blue water pump in front of buildings.",
    "mask_data": {"0": {"idx": "0", "outer_mask": "iVBORw0KGgo=", "mask_quality": 0, "label": "pump", "parent": -1}},
    "mask_keys": ["0"],
    "extra_caption": "Three buildings stand behind it.",
    "summaries": {"base": ["a pump"]},
    "negatives": {},
}


def write(root, *images):
    for number, image in enumerate(images):
        as_json(root / f"annotations/{number}.json", image)
    return root


def test_a_file_becomes_a_caption_of_its_image(tmp_path):
    (row,), rejects = gathered(dci.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert row["text"] == "A blue water pump in front of buildings. Three buildings stand behind it."
    assert (row["path"], row["media"], row["view"]) == ("sa_1543972.jpg", "image", "exo")


def test_the_short_caption_alone_is_enough(tmp_path):
    (row,), _ = gathered(dci.read(write(tmp_path, GOOD | {"extra_caption": ""})))
    assert row["text"] == GOOD["short_caption"]


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"short_caption": ""}, "empty_text"),
        ({"short_caption": None}, "empty_text"),
        ({"image": None}, "no_path"),
        *(({"image": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_file_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(dci.read(write(tmp_path, GOOD, GOOD | edit)))
    assert len(rows) == 1 and [(row["row_id"], row["reason"]) for row in rejects] == [("1.json", reason)]


@pytest.mark.parametrize(
    "content", [b'{"image": ', b"[]", b"\xff\xfe", b"", b"[" * 100_000, b'{"image": "a", "image": "b"}']
)
def test_a_broken_file_is_a_reject(tmp_path, content):
    write(tmp_path, GOOD)
    (tmp_path / "annotations/broken.json").write_bytes(content)
    rows, rejects = gathered(dci.read(tmp_path))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == ["broken_json"]


def test_no_file_is_an_error_that_says_where_to_mend_it(tmp_path):
    refuses_missing(dci.read, tmp_path, "annotations/.*json is missing")
