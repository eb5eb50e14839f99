import json

import numpy as np
import pytest

from components import video
from components.data.sources import lemma
from components.video import Probe
from components.world import lemma as world
from components.world.plan import WorldPlan, plan_takes
from tests.components.data.sources.written import as_json, gathered_tables

NAME = "28l-12-1-2"
ACTION = ["Get [cup,spoon] from [cutting-board] using [hand]", 24, 60, "make-juice"]


def tell(path, fps=None):
    """The length of any film."""
    return Probe(10.0, 24.0, 240)


def write(root, intervals, *, split="train", cameras=("fpv1", "fpv2", "master")):
    as_json(root / "annotations/action_intervals_w_tasks.json", intervals)
    as_json(root / f"annotations/splits/1x1_{split}.json", [NAME])
    for camera in cameras:
        (root / "videos" / NAME / camera).mkdir(parents=True)
    return root


def read(root, probe=tell):
    tables, rejects = gathered_tables(lemma.read(root, probe=probe))
    return tables["videos"], tables["intervals"], rejects


def test_an_action_is_on_the_camera_of_who_acts_and_on_the_one_in_the_room(tmp_path):
    videos, intervals, rejects = read(write(tmp_path, {NAME: {"P1": [ACTION], "P2": [["Wash [cup]", 0, 24, "t"]]}}))
    assert rejects == []
    cameras = {row["video_id"]: row["camera_id"] for row in videos}
    assert sorted((row["camera_id"], row["view"]) for row in videos) == [
        ("fpv1", "ego"), ("fpv2", "ego"), ("master", "exo")
    ]  # fmt: skip
    assert {row["take_id"] for row in videos} == {NAME} and {row["split"] for row in videos} == {"train"}
    got = "get the cup and the spoon from the cutting board"
    assert sorted((cameras[row["video_id"]], row["start_s"], row["end_s"], row["text"]) for row in intervals) == [
        ("fpv1", 1.0, 2.5, got),
        ("fpv2", 0.0, 1.0, "wash the cup"),
        ("master", 0.0, 1.0, "wash the cup"),
        ("master", 1.0, 2.5, got),
    ]


@pytest.mark.parametrize("split, ours", [("train", "train"), ("val", "test"), ("test", "test")])
def test_what_is_held_out_there_is_held_out_here(tmp_path, split, ours):
    videos, *_ = read(write(tmp_path, {NAME: {"P1": [ACTION]}}, split=split))
    assert {row["split"] for row in videos} == {ours}


@pytest.mark.parametrize(
    "edit, reason",
    [
        (["NULL", 24, 60, "t"], "empty_text"),
        (["Open [box]", 60, 24, "t"], "end_before_start"),
        (["Open [box]", 230, 260, "t"], "outside_video"),
        (["Open [box]", "a", 260, "t"], "not_a_time"),
        (["Open [box]", 3], "bad_member"),
        ("Open [box]", "bad_member"),
        ([None, 3, 4, "t"], "bad_member"),
    ],
)
def test_a_bad_action_is_a_reject_on_each_of_its_cameras(tmp_path, edit, reason):
    _, intervals, rejects = read(write(tmp_path, {NAME: {"P1": [ACTION, edit]}}))
    assert len(intervals) == 2 and [row["reason"] for row in rejects] == [reason] * 2


def test_a_camera_that_stops_a_frame_early_keeps_its_last_action(tmp_path):
    _, intervals, rejects = read(write(tmp_path, {NAME: {"P1": [["Open [box]", 200, 240, "t"]]}}), stops_early)
    assert rejects == [] and sorted(row["end_s"] for row in intervals) == [239 / 24, 10.0]


def stops_early(path, fps):
    return Probe(239 / 24, 24.0, 239) if path.name == "master" else Probe(10.0, 24.0, 240)


def test_a_folder_that_lacks_an_image_is_a_reject_for_no_time_in_it_is_known(tmp_path):
    root = write(tmp_path, {NAME: {"P1": [["Open [box]", 0, 2, "t"]]}})
    for camera, numbers in (("fpv1", (1, 2, 3)), ("master", (1, 3))):
        for number in numbers:
            (root / f"videos/{NAME}/{camera}/img_{number:05d}.jpg").touch()
    videos, _, rejects = read(root, video.probe)
    assert [(row["camera_id"], row["duration_s"], row["fps"]) for row in videos] == [("fpv1", 3 / 24, 24.0)]
    assert [row["reason"] for row in rejects] == ["frames_missing", "no_video"]


def test_what_belongs_to_no_camera_or_no_split_is_a_reject(tmp_path):
    content = {NAME: {"P1": [ACTION], "P3": [ACTION]}, "26k-1": {"P1": [ACTION]}, "27k-1": 3}
    videos, intervals, rejects = read(write(tmp_path, content, cameras=("fpv1",)))
    assert (len(videos), len(intervals)) == (1, 1)
    assert [(row["row_id"], row["reason"]) for row in rejects] == [
        (f"{NAME}/master", "file_missing"),
        ("26k-1/fpv1", "unknown_split"),
        ("26k-1/master", "unknown_split"),
        ("27k-1", "not_an_object"),
        (f"{NAME}/master/P1/0", "no_video"),
        (f"{NAME}/P3", "bad_member"),
        ("26k-1/fpv1/P1/0", "no_video"),
        ("26k-1/master/P1/0", "no_video"),
    ]


def test_a_file_that_is_missing_is_an_error_that_says_where_it_comes_from(tmp_path):
    with pytest.raises(ValueError, match="action_intervals_w_tasks.json.*pickles.*never read.*sources.lemma"):
        read(tmp_path)
    as_json(tmp_path / "annotations/per_act_intervals.json", {})
    with pytest.raises(ValueError, match="splits/.*is missing.*sources.lemma"):
        read(tmp_path)


def test_a_recording_of_two_splits_is_an_error(tmp_path):
    root = write(tmp_path, {NAME: {"P1": [ACTION]}})
    as_json(root / "annotations/splits/2x1_test.json", [NAME])
    with pytest.raises(ValueError, match=f"2x1_test.json: recording {NAME} is of the split train already"):
        read(root)


def test_the_images_of_the_world_are_the_frames_of_both_cameras(tmp_path):
    """The folders are read at 24 a second, and each image stands where its number says."""
    plan = WorldPlan(7, plan_takes(7, takes=6, take_s=16.0, val_fraction=0.2, test_fraction=0.0), fps=8, size_px=16)
    assert world.write(tmp_path, plan) == []
    videos, intervals, rejects = read(tmp_path, video.probe)
    assert {row["split"] for row in videos} == {"train", "test"} and {row["fps"] for row in videos} == {24.0}
    assert {(row["camera_id"], row["duration_s"]) for row in videos} == {("fpv1", 8.0), ("master", 191 / 24)}
    content = json.loads((tmp_path / "annotations/action_intervals_w_tasks.json").read_text())
    actions = sum(len(of["P1"]) for of in content.values())
    assert 2 * len(content) + 2 * actions == len(videos) + len(intervals) + len(rejects)
    reasons = {row["reason"] for row in rejects}
    assert reasons == {"file_missing", "unknown_split", "no_video", "outside_video"}
    path = tmp_path / videos[0]["path"]
    first = video.decode(path, np.array([0, 191]), size_px=16)
    assert (first[0] != first[1]).any()
