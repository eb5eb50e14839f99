"""The lists of benchmark videos that nothing may be trained on: written by a program, and whole."""

import json

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


def test_every_list_is_of_a_benchmark():
    assert LISTED and set(LISTED) <= set(registry.BENCHMARKS)


@pytest.mark.parametrize("name", ["egoschema", "vlnqa", "egoplan_2", "egoexomem", "egotempo", "pope"])
def test_the_videos_of_a_released_file_are_all_listed(name):
    assert {sample.video for sample in released.loaded(name).samples} <= LISTED[name]
