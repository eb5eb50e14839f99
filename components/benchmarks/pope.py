"""POPE: is there such an object in the image? Half of the questions name one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import prompts
from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

DRAWN = ("random", "popular", "adversarial")  # how the objects that are not there were drawn
FILES = tuple(f"coco_pope_{drawn}.json" for drawn in DRAWN)
OPTIONS = (prompts.YES, prompts.NO)


def load(folder: Path) -> Loaded:
    """Read the questions of every file that is there: JSON Lines in version 1, a list in version 2.

    Args:
        folder: with at least one of FILES; images are `val2014/<image>`.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    find(folder, FILES)

    def sample_of(row: tuple[str, Mapping[str, Any]]) -> Sample:
        drawn, found = row
        if found["label"] not in OPTIONS:
            raise RowError("no_such_answer", repr(found["label"]))
        target = choice(OPTIONS, OPTIONS.index(found["label"]))
        image = Medium(f"val2014/{found['image']}", "exo")
        return Sample(f"{drawn} {found['question_id']}", found["image"], found["text"], (image,), target, (drawn,))

    there = [(drawn, folder / file) for drawn, file in zip(DRAWN, FILES, strict=True) if (folder / file).is_file()]
    rows = [(drawn, row) for drawn, path in there for row in read_json(path)]
    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {place}")


BENCHMARK = Benchmark(
    title="POPE",
    load=load,
    files=FILES,
    metric="yes_no",
    splits="3,000 questions about 500 images of COCO for each way in which absent objects were drawn",
    licence="MIT; images under COCO's terms",
    origin="`AoiDragon/POPE`, `output/coco/`",
    frames=1,
    official="yes_unless_no",
    published=(("Qwen2-VL-7B", 83.6), ("EgoThinker", 86.8)),
    note="JSON Lines in a `.json`; the share of yes is that of the answers, not of the truth; the authors' "
    "parser takes everything without a denial for yes",
)
