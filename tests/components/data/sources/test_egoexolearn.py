import csv
import shutil
from collections import Counter

import pyarrow as pa
import pytest

from components.data.sources import egoexo4d, egoexolearn
from components.prompts.kitchen_grammar import parse_narration
from components.video import probe
from tests.components.data.sources.written import RELEASED, gathered, gathered_tables

REAL = RELEASED / "egoexolearn_fine_annotation_test.csv"

VIDEO = {"video_id": "v", "take_id": "t", "view": "ego", "duration_s": 16.0, "split": "train"}
GOOD = {
    "video_uid": "t",
    "annotation_uid": "a",
    "subset": "train",
    "view": "ego",
    "start_sec": "1.5",
    "end_sec": "3.25",
    "narration_en": " C cuts the red fish, quickly. ",
}


def read(root, videos=(VIDEO,)):
    return gathered(egoexolearn.read(root, videos=pa.Table.from_pylist(list(videos))))


def write(root, rows, columns=tuple(GOOD)):
    path = root / egoexolearn.FILE
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_a_row_becomes_an_interval_of_its_video(tmp_path):
    (row,), rejects = read(write(tmp_path, [GOOD]))
    assert rejects == []
    assert (row["start_s"], row["end_s"], row["text"]) == (1.5, 3.25, "C cuts the red fish, quickly.")
    assert (row["video_id"], row["split"]) == ("v", "train")


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"end_sec": "1.5"}, "end_before_start"),
        ({"end_sec": "1.0"}, "end_before_start"),
        ({"end_sec": "16.1"}, "outside_video"),
        ({"start_sec": "-0.1"}, "outside_video"),
        ({"start_sec": ""}, "not_a_number"),
        ({"end_sec": "nan"}, "not_a_number"),
        ({"narration_en": " "}, "empty_text"),
        ({"video_uid": "u"}, "no_video"),
        ({"view": "exo"}, "no_video"),
        ({"subset": "val"}, "split_conflict"),
    ],
)
def test_a_bad_row_is_a_reject(tmp_path, edit, reason):
    intervals, rejects = read(write(tmp_path, [GOOD, GOOD | edit]))
    assert len(intervals) == 1 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_column_or_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="fine_annotation_trainval_en.csv is missing"):
        read(tmp_path)
    with pytest.raises(ValueError, match="missing .*narration_en.*mend sources.egoexolearn"):
        read(write(tmp_path, [GOOD], [name for name in GOOD if name != "narration_en"]))


UNLABELLED = "video_uid,annotation_id,subset,view,scene,start_sec,end_sec"


def write_test(root, *rows, header=UNLABELLED):
    (root / egoexolearn.TEST_FILE).write_text("\ufeff" + "\n".join([header, *rows]) + "\n")
    return root


def test_a_row_of_the_test_split_says_nothing_and_is_a_reject(tmp_path):
    root = write_test(write(tmp_path, [GOOD]), "t,08bByaz9,test,ego,kitchen,240.6,241.8", "t,uUcb6CUk,test,exo,lab,1,2")
    intervals, rejects = read(root)
    assert len(intervals) == 1
    assert [(row["row_id"], row["reason"], row["detail"]) for row in rejects] == [
        ("t/08bByaz9", "no_narration", "test, ego, [240.6, 241.8)"),
        ("t/uUcb6CUk", "no_narration", "test, exo, [1, 2)"),
    ]


def test_the_id_of_the_test_split_has_another_name(tmp_path):
    root = write_test(write(tmp_path, [GOOD]), header=UNLABELLED.replace("annotation_id", "annotation_uid"))
    with pytest.raises(ValueError, match="fine_annotation_test.csv: .*missing .*annotation_id"):
        read(root)


@pytest.mark.skipif(not REAL.is_file(), reason="the released file is not on this machine")
def test_every_row_of_the_released_test_split_is_a_reject(tmp_path):
    shutil.copy(REAL, write(tmp_path, [GOOD]) / egoexolearn.TEST_FILE)
    intervals, rejects = read(tmp_path)
    assert len(intervals) == 1
    assert Counter(row["reason"] for row in rejects) == {"no_narration": 23174}


def test_intervals_are_the_events_of_the_script_within_the_jitter(tiny_world):
    videos = gathered_tables(egoexo4d.read(tiny_world.params.sources.egoexo4d, probe=probe))[0]["videos"]
    intervals, rejects = read(tiny_world.params.sources.egoexolearn, videos)
    events = {
        (take.uid, take.take.facts(event)): event
        for take in tiny_world.planned
        if not take.is_dropped and take.split != "test"
        for event in take.take.events
    }
    assert len(intervals) + len(rejects) == len(events)
    for row in intervals:
        event = events[row["take_id"], parse_narration(row["text"])]
        assert abs(row["start_s"] - event.start_s) <= 0.151 and abs(row["end_s"] - event.end_s) <= 0.151
