"""POPE: is there such an object in the image? Half of the questions name one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components import prompts
from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Choice, Loaded, Medium, Sample

DRAWN = ("random", "popular", "adversarial")  # how the objects that are not there were drawn
FILES = tuple(f"coco_pope_{drawn}.json" for drawn in DRAWN)
FILES_2 = ("POPEv2/dataset/annotations.json",)
OPTIONS = (prompts.YES, prompts.NO)


def load(folder: Path) -> Loaded:
    """Read the questions of every file of version 1 that is there.

    Args:
        folder: with at least one of FILES; images are `val2014/<image>`.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    find(folder, FILES)

    def sample_of(row: tuple[str, Mapping[str, Any]]) -> Sample:
        drawn, found = row
        image = Medium(f"val2014/{found['image']}", "exo")
        sample_id = f"{drawn} {found['question_id']}"
        return Sample(sample_id, found["image"], found["text"], (image,), _target(found["label"]), (drawn,))

    there = [(drawn, folder / file) for drawn, file in zip(DRAWN, FILES, strict=True) if (folder / file).is_file()]
    rows = [(drawn, row) for drawn, path in there for row in read_json(path, list)]
    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {place}")


def load_2(folder: Path) -> Loaded:
    """Read the questions of version 2: each image once as it is, and once with the object painted over.

    Args:
        folder: with FILES_2; images are at the `image_name` of each row, whose folder tells the answer.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: tuple[int, Mapping[str, Any]]) -> Sample:
        place, found = row
        path = PurePosixPath(found["image_name"].lstrip("/"))
        return Sample(str(place), path.stem, found["query"], (Medium(str(path), "exo"),), _target(found["label"]))

    rows = list(enumerate(read_json(find(folder, FILES_2), list)))
    return loaded(rows, sample_of, row_id=lambda row, place: str(place))


def _target(label: str) -> Choice:
    if label.lower() not in OPTIONS:
        raise RowError("no_such_answer", repr(label))
    return choice(OPTIONS, OPTIONS.index(label.lower()))


BENCHMARK = Benchmark(
    title="POPE",
    load=load,
    files=FILES,
    metric="yes_no",
    splits="3,000 questions about 500 images of COCO for each way in which absent objects were drawn",
    licence="MIT; images under COCO's terms",
    origin="`AoiDragon/POPE`, `output/coco/`",
    frames=1,
    answer_tokens=128,
    official="yes_unless_no",
    published=(("Qwen2-VL-7B", 83.6), ("EgoThinker", 86.8)),
    note="JSON Lines in a `.json`; the share of yes is that of the answers, not of the truth; the authors' "
    "parser takes everything without a denial for yes",
    listed_as=lambda video: PurePosixPath(video).stem,
)
BENCHMARK_2 = Benchmark(
    title="POPE, version 2",
    load=load_2,
    files=FILES_2,
    metric="yes_no",
    splits="1,000 questions: 500 images of COCO, each as it is and with the object painted over",
    licence="MIT; images under COCO's terms",
    origin="`AoiDragon/POPE`, `POPEv2/dataset/`",
    frames=1,
    official="yes_unless_no",
    note="each question is asked twice and is right once: text alone cannot be above a half",
)
