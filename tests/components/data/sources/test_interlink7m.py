import json

import pytest
from hypothesis import given

from components.data.sources import interlink7m
from tests.components.data.sources.written import HOSTILE_PLACES, delimited, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

TRAIN, VAL = (f"Howto-Interlink7M_subset_w_all_clips_{split}.tsv" for split in ("train", "val"))
CLIPS = [{"clip": "0:00:00 - 0:00:05", "caption": "a man"}, {"clip": "0:01:10 - 1:00:00", "caption": 'a "dog"'}]


def line(clips=CLIPS, path="Food and Entertaining/v.mp4"):
    return {"path": path, "title": "t", "clips": clips if isinstance(clips, str) else json.dumps(clips)}


def write(root, *rows, name=TRAIN):
    delimited(root / name, rows, delimiter="\t")
    return root


def test_each_clip_of_a_line_becomes_a_caption(tmp_path):
    write(tmp_path, line(path="w.mp4"), name=VAL)
    rows, rejects = gathered(interlink7m.read(write(tmp_path, line())))
    assert rejects == []
    assert [(row["start_s"], row["end_s"], row["text"]) for row in rows[:2]] == [
        (0.0, 5.0, "a man"),
        (70.0, 3600.0, 'a "dog"'),
    ]
    assert [(row["path"], row["split"], row["view"]) for row in rows[1:3]] == [
        ("Food and Entertaining/v.mp4", "train", "exo"),
        ("w.mp4", "test", "exo"),
    ]


def test_the_file_stands_in_a_column_path_or_video(tmp_path):
    said = {"video" if name == "path" else name: cell for name, cell in line().items()}
    rows, rejects = gathered(interlink7m.read(write(tmp_path, said)))
    assert {row["path"] for row in rows} == {"Food and Entertaining/v.mp4"} and rejects == []


def test_json_without_quotes_round_it_is_read_too(tmp_path):
    (tmp_path / TRAIN).write_text(f"path\tclips\nv.mp4\t{json.dumps(CLIPS)}\n")
    rows, rejects = gathered(interlink7m.read(tmp_path))
    assert [row["text"] for row in rows] == ["a man", 'a "dog"'] and rejects == []


@round_trip
@given(text=any_text)
def test_a_caption_comes_back_as_written(tmp_path_factory, text):
    root = write(tmp_path_factory.mktemp("interlink"), line([CLIPS[0] | {"caption": text}]))
    assert [row["text"] for row in gathered(interlink7m.read(root))[0]] == [text]


@pytest.mark.parametrize(
    "clips, reason",
    [
        ("[{", "bad_clips"),
        ("", "bad_clips"),
        ("{}", "bad_clips"),
        ("[1]", "bad_clips"),
        ("[" * 100_000, "bad_clips"),
        ('[{"clip": "0:00:05 - 0:00:06", "clip": "0:00:07 - 0:00:08", "caption": "x"}]', "bad_clips"),
        ([], "no_clips"),
        ([{"clip": "0:00:05 - 0:00:05", "caption": "x"}], "zero_span"),
        ([{"clip": "0:00:05 - 0:00:04", "caption": "x"}], "end_before_start"),
        ([{"clip": "0:00:05", "caption": "x"}], "not_a_time"),
        ([{"clip": "5 - 6", "caption": "x"}], "not_a_time"),
        ([{"caption": "x"}], "not_a_time"),
        ([{"clip": "0:00:05 - 0:00:06"}], "empty_text"),
        ([{"clip": "0:00:05 - 0:00:06", "caption": "\ud800"}], "empty_text"),
        ([CLIPS[0]], "repeated_id"),
    ],
)
def test_a_bad_line_or_clip_is_a_reject(tmp_path, clips, reason):
    rows, rejects = gathered(interlink7m.read(write(tmp_path, line(), line(clips))))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == [reason]


@pytest.mark.parametrize("place", HOSTILE_PLACES)
def test_a_path_that_leaves_the_root_is_a_reject(tmp_path, place):
    rows, rejects = gathered(interlink7m.read(write(tmp_path, line(path=place))))
    assert rows == [] and [row["reason"] for row in rejects] == ["path_outside_root"] * 2


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(interlink7m.read, tmp_path, "Howto-Interlink7M.*is missing")
    refuses_missing(interlink7m.read, write(tmp_path, {"path": "v", "url": "x"}), "missing .*clips")
    refuses_missing(interlink7m.read, write(tmp_path, {"clips": "v", "url": "x"}), "missing .*path")
