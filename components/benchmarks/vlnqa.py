"""VLN-QA: the next action of an agent that follows a navigation instruction, four-way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("vlnqa.json",)
_TEXT = re.compile(r"Question: (?P<question>.*?)\nOption:\n(?P<options>.*?)\nOnly give", re.DOTALL)
_OPTION = re.compile(r"^([A-D]): (.*)$", re.MULTILINE)


def load(folder: Path) -> Loaded:
    """Read the questions.

    Args:
        folder: with `vlnqa.json`, and the films below `left`, `right`, `forward` and `stop`: these folders are the
            right answers, and in no prompt.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        path = PurePosixPath(row["video_path"])
        asked = _TEXT.search(row["text"])
        if asked is None:
            raise RowError("malformed_row", "no question and options in `text`")
        options = _OPTION.findall(asked["options"])
        if [letter for letter, _ in options] != list("ABCD"[: len(options)]):
            raise RowError("malformed_row", f"options {[letter for letter, _ in options]}")
        target = choice([text for _, text in options], row["gt"])
        return Sample(path.stem, path.stem, asked["question"], (Medium(str(path)),), target)

    return loaded(read_json(find(folder, FILES), list), sample_of, row_id=lambda row, place: f"row {place}")


BENCHMARK = Benchmark(
    title="VLN-QA",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="test, 200 questions: 50 of each right action; the same as MVBench's Egocentric Navigation",
    licence="none stated",
    origin="`InternRobotics/EgoThinker`, `lmms-eval/anno/vlnqa.json`",
    frames=16,
    answer_tokens=16,
    published=(("Exo2Ego", 44.5), ("Qwen2-VL-7B", 42.0), ("EgoThinker", 54.0)),
    note="the folder of a film is its right answer: paths stand in no prompt and no guess",
)
