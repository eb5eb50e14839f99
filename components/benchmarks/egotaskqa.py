"""EgoTaskQA: five-way questions about goals, causes and what others know, about clips of LEMMA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from components.benchmarks.shared.choices import choice, letters, shuffled
from components.benchmarks.shared.distractors import nearest
from components.benchmarks.shared.files import find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

SPLITS = ("direct", "indirect")
CLOSED = ("egotaskqa.json", "egotaskqa_direct.json", "egotaskqa_indirect.json")  # as EgoThinker made options
OPEN = tuple(f"{split}/test_qas.json" for split in SPLITS)  # of the authors, without options
FILES = (*CLOSED, *OPEN)
WRONG = 4
FPS = 30.0  # of LEMMA's films; the files do not say it


def load(folder: Path, nearest: Callable[..., list[str]] = nearest) -> Loaded:
    """Read the questions of every file that is there; where it has no options, the likest answers are.

    Args:
        folder: with one of FILES, of which those of the two splits are subsets; films are `<recording>|<person>|
            <first frame>|<last frame>.mp4`, cut already.
        nearest: chooses wrong options among the answers of a split, as `shared.distractors.nearest` by words or as
            `shared.sentences.nearest_of`.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    find(folder, FILES)
    rows: list[tuple[str, int, Mapping[str, Any]]] = []
    for file in FILES:
        name = file.removesuffix(".json").removeprefix("egotaskqa_")
        if (folder / file).is_file():
            rows += [(name, place, row) for place, row in enumerate(read_json(folder / file, list))]
    answers: dict[str, dict[str, None]] = {file.removesuffix(".json"): {} for file in OPEN}
    for name, _, row in rows:
        if name in answers and isinstance(row, dict) and isinstance(row.get("answer"), str):
            answers[name][row["answer"]] = None

    @cache
    def wrong(name: str, answer: str) -> list[str]:  # thousands of questions have some hundred answers
        return nearest(answer, (each for each in answers[name] if each != answer), count=WRONG)

    def sample_of(row: tuple[str, int, Mapping[str, Any]]) -> Sample:
        name, place, found = row
        is_open = name in answers
        path = PurePosixPath(f"{found['interval']}.mp4" if is_open else found["video_path"])
        recording, *_, first, last = path.stem.split("|")
        sample_id = f"{name} {place}"
        if is_open:
            options = choice([found["answer"], *wrong(name, found["answer"])], 0)
            target = replace(shuffled(options, sample_id), index_in_file=None)  # no order of the file could leak
        else:
            target = choice(*letters(found["option"], found["a"]))
        length_s = (int(last) - int(first)) / FPS
        split = name.split("/")[0]
        subsets = (split,) if split in SPLITS else ()
        question = found["question" if is_open else "q"]
        return Sample(sample_id, recording, question, (Medium(str(path)),), target, subsets, length_s)

    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {row[1]}")


BENCHMARK = Benchmark(
    title="EgoTaskQA",
    load=load,
    load_alike=load,
    files=FILES,
    metric="accuracy",
    splits="test, 8,783 five-way questions of EgoThinker; direct and indirect where their files are there, with "
    "options or without (the authors' `direct/test_qas.json`)",
    licence="none stated",
    origin="`InternRobotics/EgoThinker`, `lmms-eval/anno/egotaskqa.json` (2.98 MB)",
    frames=16,
    answer_tokens=16,
    published=(("Exo2Ego, direct", 44.7), ("Exo2Ego, indirect", 50.3), ("Qwen2-VL-7B", 57.9), ("EgoThinker", 64.4)),
    note="Exo2Ego and EgoThinker chose other wrong answers: their figures are of two benchmarks; the authors' files "
    "have none, there the most similar answers of the split are taken, as in Exo2Ego, by words or `sentence_model`",
)
