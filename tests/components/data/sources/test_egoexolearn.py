import csv
import shutil
from collections import Counter

import pyarrow as pa
import pytest

from components.data.sources import egoexo4d, egoexolearn
from components.prompts.kitchen_grammar import parse_narration
from components.video import Probe, probe
from components.world import egoexolearn as world
from components.world import films
from components.world.plan import WorldPlan, plan_takes
from tests.components.data.sources.written import RELEASED, gathered_tables

REAL = RELEASED / "egoexolearn_fine_annotation_test.csv"

VIDEO = {"video_id": "v", "take_id": "t", "view": "ego", "duration_s": 16.0, "fps": 30.0, "split": "train"}
GOOD = {
    "video_uid": "t",
    "annotation_uid": "a",
    "subset": "train",
    "view": "ego",
    "start_sec": "1.5",
    "end_sec": "3.25",
    "narration_en": " C cuts the red fish, quickly. ",
}


def tell(path, fps=None):
    """The length of any film."""
    return Probe(16.0, 30.0, 480)


def read_tables(root, videos=(VIDEO,), probe=tell):
    tables, rejects = gathered_tables(egoexolearn.read(root, videos=pa.Table.from_pylist(list(videos)), probe=probe))
    return tables["videos"], tables["intervals"], rejects


def read(root, videos=(VIDEO,)):
    listed, intervals, rejects = read_tables(root, videos)
    assert listed == []  # of a take of another source
    return intervals, rejects


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
        ({"start_sec": ""}, "not_a_time"),
        ({"end_sec": "nan"}, "not_a_time"),
        ({"narration_en": " "}, "empty_text"),
        ({"view": "both"}, "no_video"),
        ({"subset": "val"}, "split_conflict"),
    ],
)
def test_a_bad_row_is_a_reject(tmp_path, edit, reason):
    intervals, rejects = read(write(tmp_path, [GOOD, GOOD | edit]))
    assert len(intervals) == 1 and [row["reason"] for row in rejects] == [reason]


def film(root, *places):
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    return root


def test_films_of_its_own_are_takes_of_their_own_and_intervals_join_them_by_view(tmp_path):
    rows = [
        GOOD | {"video_uid": "worn"},
        GOOD | {"video_uid": "demo", "view": "exo", "subset": "val", "annotation_uid": "b"},
    ]
    root = film(write(tmp_path, rows), "videos/worn.mp4", "demo.mp4")
    videos, intervals, rejects = read_tables(root)
    assert rejects == []
    assert [(row["take_id"], row["view"], row["path"], row["split"]) for row in videos] == [
        ("worn", "ego", "videos/worn.mp4", "train"),
        ("demo", "exo", "demo.mp4", "test"),
    ]
    assert [(row["video_id"], row["split"]) for row in intervals] == [(row["video_id"], row["split"]) for row in videos]


def test_rows_about_a_film_that_is_not_there_or_disagree_with_its_first_row_are_rejects(tmp_path):
    rows = [
        GOOD | {"video_uid": "gone"},
        GOOD | {"video_uid": "worn"},
        GOOD | {"video_uid": "worn", "view": "exo"},
        GOOD | {"video_uid": "worn", "subset": "val"},
    ]
    videos, intervals, rejects = read_tables(film(write(tmp_path, rows), "videos/worn.mp4"))
    assert (len(videos), len(intervals)) == (1, 1)
    assert [row["reason"] for row in rejects] == ["file_missing", "no_video", "no_video", "split_conflict"]


def test_a_time_a_rounding_outside_the_film_is_moved_to_its_edge(tmp_path):
    edits = [{"start_sec": "-0.01"}, {"end_sec": "16.02"}]
    intervals, rejects = read(write(tmp_path, [GOOD | edit for edit in edits]))
    assert rejects == [] and [(row["start_s"], row["end_s"]) for row in intervals] == [(0.0, 3.25), (1.5, 16.0)]


def test_the_association_benchmark_stands_in_where_the_fine_annotations_are_not_there(tmp_path):
    path = tmp_path / egoexolearn.ASSOCIATION_FILE.format("exo")
    path.parent.mkdir(parents=True)
    narrated = "Hold the meat,\nand slice it."
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*egoexolearn.ASSOCIATION_COLUMNS, "scenario"])
        writer.writeheader()
        writer.writerow(
            {"video_uid": "demo", "annotation_id": "a", "start_sec": "0.0", "end_sec": "2.0", "narration_en": narrated}
        )
    videos, intervals, rejects = read_tables(film(tmp_path, "videos/demo.mp4"))
    assert rejects == [] and [(row["view"], row["split"]) for row in videos] == [("exo", "train")]
    assert [row["text"] for row in intervals] == ["Hold the meat, and slice it."]


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


def test_a_world_without_takes_to_annotate_has_films_of_its_own(tmp_path):
    takes = plan_takes(7, takes=12, take_s=16.0, val_fraction=0.2, test_fraction=0.0)
    for each in world.write(tmp_path, WorldPlan(7, takes, fps=8, size_px=32, is_egoexo4d_written=False)):
        films.make(each, size_px=32)
    videos, intervals, rejects = read_tables(tmp_path, (VIDEO,), probe)
    assert Counter(row["view"] for row in videos) == {"ego": 6, "exo": 5}
    assert {row["split"] for row in videos} == {"train", "test"} and len({row["take_id"] for row in videos}) == 11
    reasons = Counter(row["reason"] for row in rejects)
    assert reasons["file_missing"] == 1 and reasons["no_narration"] == 3 and reasons["no_video"] > 0
    narrated = len((tmp_path / egoexolearn.FILE).read_text().splitlines()) - 1
    assert 12 + narrated + 3 == len(videos) + len(intervals) + len(rejects)
