"""MVBench: 20 tasks of 200 questions, here of a copy whose rows have lost their task names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("mvbench.json",)
TASKS = 20
# folder of the films -> (words of the question, task): the first pattern that is found counts
_TASKS: dict[str, tuple[tuple[str, str], ...]] = {
    "ssv2_video": (("", "Action Antonym"),),
    "sta": (("", "Action Localization"),),
    "vlnqa": (("", "Egocentric Navigation"),),
    "Moments_in_Time_Raw": (("", "Fine-grained Action"),),
    "scene_qa": (("", "Scene Transition"),),
    "FunQA_test": (("", "Unexpected Action"),),
    "nturgbd": (("", "Fine-grained Pose"),),
    "tvqa": (("", "Episodic Reasoning"),),
    "star": (
        (r"^What will", "Action Prediction"),
        (r"^What happened", "Action Sequence"),
        (r"^Which object", "Object Interaction"),
    ),
    "perception": (
        (r"occlusion game", "Object Shuffle"),
        (r"letter", "Character Order"),
        (r"How many", "Action Count"),
        (r"", "State Change"),
    ),
    "clevrer": (
        (r"^How many", "Moving Count"),
        (r"^Are there", "Object Existence"),
        (r"direction", "Moving Direction"),
        (r"happen|removed|Without|without", "Counterfactual Inference"),
        (r"^What (is|color|shape|material)|color|shape|material", "Moving Attribute"),
    ),
}


def task_of(folder: str, question: str) -> str:
    """Return the task of a question, from the folder of its film and its words.

    Raises:
        RowError: neither tells it.
    """
    for pattern, task in _TASKS.get(folder, ()):
        if re.search(pattern, question):
            return task
    raise RowError("no_task_name", f"{folder}: {question[:60]}")


def load(folder: Path) -> Loaded:
    """Read the questions; a task is a subset.

    Args:
        folder: with `mvbench.json`, and the films at the `path` of its rows.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        path = PurePosixPath(row["path"])
        options = [re.sub(r"^[A-Z]\. ", "", option) for option in row["options"]]
        letter = row["solution"].removeprefix("<answer>").removesuffix("</answer>")
        target = choice(options, letter)
        if target.options[target.index or 0] != row["answer"].strip():
            raise RowError("two_answers", f"{row['solution']}, but the answer is {row['answer']!r}")
        task = row["original_question_type"] or task_of(path.parts[0], row["question"])
        medium = Medium(str(path), "ego" if task == "Egocentric Navigation" else "exo")
        if "start" in row:
            medium = Medium(medium.path, medium.view, float(row["start"]), float(row["end"]))
        length_s = None if medium.end_s is None else medium.end_s - medium.start_s
        return Sample(str(row["problem_id"]), path.stem, row["question"], (medium,), target, (task,), length_s)

    return loaded(read_json(find(folder, FILES), list), sample_of, row_id=lambda row, place: str(row["problem_id"]))


BENCHMARK = Benchmark(
    title="MVBench",
    load=load,
    files=FILES,
    metric="accuracy",
    averaged=TASKS,
    splits="test, 4,000 questions; the copy has 3,586 of 18 tasks (none of Fine-grained Pose and Episodic Reasoning)",
    licence="MIT; films under their sources' licences",
    origin="`OpenGVLab/Ask-Anything`; the copy: `cyuQ1n/EasyVideoR1`, `eval/data/valid_data/mvbench.json`",
    frames=16,
    answer_tokens=16,
    note="task names are told by folder and question; papers print the mean of 20 tasks, which is refused when some "
    "are missing; 200 questions are those of VLN-QA",
)
