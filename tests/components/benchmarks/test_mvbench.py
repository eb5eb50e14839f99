"""MVBench: rows without task names get them back or are rejects, and a mean of other than 20 tasks is refused."""

import json
from collections import Counter

import pytest

from components.benchmarks import mvbench
from components.benchmarks.shared.files import RowError
from tests.components.benchmarks import released

ROW = {
    "question": "What will happen?", "options": ["A. It falls", "B. It stays"], "answer": "It stays", "problem_id": 7,
    "original_question_type": "", "solution": "<answer>B</answer>", "path": "./star/Charades_v1_480/A.mp4",
}  # fmt: skip


def test_a_task_is_told_by_folder_and_question_and_a_row_without_one_is_a_reject(tmp_path):
    rows = [
        ROW | {"start": 1, "end": 5.5},
        ROW | {"problem_id": 8, "path": "./elsewhere/a.mp4"},
        ROW | {"problem_id": 9, "path": "./elsewhere/a.mp4", "original_question_type": "Action Count"},
        ROW | {"problem_id": 10, "answer": "It falls"},
        ROW | {"problem_id": 11, "options": ["A. It stays"], "solution": "<answer>A</answer>"},
    ]
    (tmp_path / "mvbench.json").write_text(json.dumps(rows))
    found = mvbench.load(tmp_path)
    first, named = found.samples
    assert (first.subsets, first.length_s, first.media[0].end_s) == (("Action Prediction",), 4.5, 5.5)
    assert first.target.options == ("It falls", "It stays") and named.subsets == ("Action Count",)
    assert found.reasons == {"no_task_name": 1, "one_option": 1, "two_answers": 1}
    with pytest.raises(RowError):
        mvbench.task_of("clevrer", "Why?")


def test_the_released_copy_is_in_blocks_of_200_and_content_tells_the_same_tasks():
    found = released.loaded("mvbench")
    assert (len(found.samples), found.reasons) == (3581, {"one_option": 5})
    blocks: dict[str, Counter] = {}
    for sample in found.samples:
        blocks.setdefault(sample.subsets[0], Counter())[(int(sample.sample_id) - 1) // 200] += 1
    # the copy numbers the tasks of 200 by their names: what content tells, the numbers confirm without one exception
    assert all(len(numbers) == 1 for numbers in blocks.values()) and len(blocks) == 18
    assert sorted(blocks) == [task for task, _ in sorted(blocks.items(), key=lambda item: min(item[1]))]
    row = released.row("mvbench")
    assert row["random"]["mean_of_subsets"] is None, "the mean of 18 tasks is not the papers' mean of 20"
    assert row["constant"]["value"] > row["random"]["value"]


def test_its_navigation_questions_are_those_of_vlnqa():
    asked = {(s.media[0].path.split("/", 1)[1], s.target) for s in released.loaded("mvbench").samples if
             s.subsets == ("Egocentric Navigation",)}  # fmt: skip
    vln = released.loaded("vlnqa").samples
    assert asked == {(sample.media[0].path, sample.target) for sample in vln}
    videos = {sample.video for sample in released.loaded("mvbench").samples}
    assert {sample.video for sample in vln} <= videos, "one recording has one name in both"
