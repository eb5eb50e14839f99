from zlib import crc32

import pytest
from hypothesis import given

from components.data.sources import cc3m
from tests.components.data.sources.written import delimited, gathered, lines, reasons, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

URL = "http://example.org/a.jpg"
TRAIN, VALIDATION = cc3m.FILES


def write(root, *rows, validation=(("a dog", "http://example.org/b.jpg"),)):
    for name, content in ((TRAIN, rows), (VALIDATION, validation)):
        delimited(root / name, [{"caption": text, "url": url} for text, url in content], delimiter="\t", header=False)
    return root


def test_a_line_becomes_a_caption_of_an_image(tmp_path):
    rows, rejects = gathered(cc3m.read(write(tmp_path, ("a very typical bus station", URL), ("a cat", URL))))
    assert rejects == []
    assert [(row["path"], row["split"]) for row in rows] == [
        (f"training/0_{crc32(URL.encode())}", "train"),
        (f"training/1_{crc32(URL.encode())}", "train"),
        (f"validation/0_{crc32(b'http://example.org/b.jpg')}", "test"),
    ]
    assert rows[0]["text"] == "a very typical bus station" and rows[0]["media"] == "image"


@round_trip
@given(text=any_text)
def test_a_caption_comes_back_as_written(tmp_path_factory, text):
    rows, _ = gathered(cc3m.read(write(tmp_path_factory.mktemp("cc3m"), (text, URL))))
    assert rows[0]["text"] == text


def test_a_lost_line_does_not_rename_the_next_image(tmp_path):
    write(tmp_path, ("x", URL))
    lines(tmp_path / TRAIN, [f"a\t{URL}", "no url", f"b\t{URL}"])
    rows, rejects = gathered(cc3m.read(tmp_path))
    assert [row["path"].split("_")[0] for row in rows] == ["training/0", "training/2", "validation/0"]
    assert [(row["row_id"], row["reason"]) for row in rejects] == [(f"{TRAIN}:2", "malformed_line")]


@pytest.mark.parametrize("row, reason", [(("", URL), "empty_text"), (("a cat", ""), "no_path")])
def test_a_bad_line_is_a_reject(tmp_path, row, reason):
    assert reasons(cc3m.read(write(tmp_path, ("a", URL), row))) == [reason]


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    refuses_missing(cc3m.read, tmp_path, "Train_GCC-training.tsv is missing")
