"""The lists of benchmark videos that nothing may be trained on: written by a program, and whole."""

import json

import pandas as pd
import pytest

from components.benchmarks import registry
from components.benchmarks.runner.videos import write_lists
from components.data.quality import contamination
from tests.components.benchmarks import released

LISTED = contamination.known_lists()


def test_a_list_names_each_video_once_and_leaves_others_alone(tmp_path):
    rows = [
        {"sample_id": f"uid-{video}_{place}", "task_goal": "Eat", "task_start_frame": 0, "current_observation_frame": 9}
        | {f"choice_{letter}": letter for letter in "abcd"} | {"golden_choice_idx": "A", "domain": "Work"}
        for place, video in enumerate("bba")
    ]  # fmt: skip
    (tmp_path / "egoplan2.json").write_text(json.dumps(rows))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/vlnqa.txt").write_text("4504_frame52\n")
    written = write_lists(registry.BENCHMARKS, [tmp_path], tmp_path / "lists")
    assert written == {"egoplan_2": 2}
    assert contamination.read_list("egoplan_2", tmp_path / "lists/egoplan_2.txt") == {"uid-a", "uid-b"}
    assert (tmp_path / "lists/vlnqa.txt").read_text() == "4504_frame52\n"


def test_videos_are_listed_under_the_names_that_other_data_sets_give_them(tmp_path):
    row = {"question_id": 1, "image": "COCO_val2014_000000001171.jpg", "text": "Is there a cup?", "label": "yes"}
    (tmp_path / "coco_pope_random.json").write_text(json.dumps([row]))
    asked = {"question": "why?", "options": ["a", "b"], "correct_answer": 0}
    (tmp_path / "qa_verified.json").write_text(json.dumps({"26k_11_10_6_Q1_0": asked}))
    row = {"q_uid": "q", "question": "why?", "CA": 0} | {f"option {place}": str(place) for place in range(5)}
    (tmp_path / "questions.json").write_text(json.dumps([row]))
    assert write_lists(registry.BENCHMARKS, [tmp_path], tmp_path) == {"pope": 1, "egoexomem_lemma": 1}
    assert contamination.read_list("pope", tmp_path / "pope.txt") == {"COCO_val2014_000000001171"}
    assert contamination.read_list("egoexomem_lemma", tmp_path / "egoexomem_lemma.txt") == {"26k-11-10-6"}
    (tmp_path / "uid_to_ego4d.json").write_text(json.dumps({"q": {"video_uid": "of Ego4D"}}))
    assert write_lists({"egoschema": registry.BENCHMARKS["egoschema"]}, [tmp_path], tmp_path) == {"egoschema": 1}
    assert contamination.read_list("egoschema", tmp_path / "egoschema.txt") == {"of Ego4D"}


@pytest.mark.parametrize(
    "name, take_name, path",
    [
        ("egoexo_fitness", "3HqdZ6", "3HqdZ6/ego_r/frames"),
        ("egoexomem", "cmu_bike01_4", "takes/cmu_bike01_4/frame_aligned_videos/cam01.mp4"),
        ("egoexomem_lemma", "", "videos/26k-11-10-6.mp4"),
        ("egoplan_2", "", "v2/full_scale/0031d268-818c-4ec4-a804-935be610a61a.mp4"),
        ("egotaskqa", "", "videos/26k-11-1-1.mp4"),
        ("egotempo", "", "v2/full_scale/000786a7-3f9d-4fe6-bfb3-045b368f7d44.mp4"),
        ("epic100_mir", "", "P01/videos/P01_11.MP4"),
        ("hd_epic", "", "P01/P01-20240202-110250.mp4"),
        ("mvbench", "", "Charades_v1_480/01KML.mp4"),
        ("pope", "", "val2014/COCO_val2014_000000001171.jpg"),
        ("pope_2", "", "coco/train2017/000000046207.jpg"),
        ("video_consistency_verify", "", "activitynet/v_uqiMw7tQ1Cc.mp4"),
        ("video_consistency_verify", "", "Charades_v1_480/WIOOY.mp4"),
        ("vlnqa", "", "left/101_frame51.mp4"),
    ],
)
def test_each_list_finds_a_video_where_its_data_set_keeps_it(name, take_name, path):
    row = {"video_id": "v", "take_id": "t", "take_name": take_name, "path": path, "split": "train"}
    found = contamination.benchmark_videos(pd.DataFrame([row]), [], {name: LISTED[name]})
    assert found[name][1] == {"v"}


def test_every_list_is_of_a_benchmark():
    assert LISTED and set(LISTED) <= set(registry.BENCHMARKS)


@pytest.mark.parametrize(
    "name",
    ["vlnqa", "egoplan_2", "egoexomem", "egotempo", "pope", "mvbench", "epic100_mir", "video_consistency_verify"],
)
def test_the_videos_of_a_released_file_are_all_listed(name):
    listed_as = registry.BENCHMARKS[name].listed_as
    assert {listed_as(sample.video) for sample in released.loaded(name).samples} <= LISTED[name]
