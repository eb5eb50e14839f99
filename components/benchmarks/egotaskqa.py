"""EgoTaskQA: five-way questions about goals, causes and what others know, about clips of LEMMA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

SPLITS = ("direct", "indirect")
FILES = ("egotaskqa.json", "egotaskqa_direct.json", "egotaskqa_indirect.json")
FPS = 30.0  # of LEMMA's films; the files do not say it


def load(folder: Path) -> Loaded:
    """Read the closed questions of every file that is there.

    Args:
        folder: with one of FILES, of which those of the two splits are subsets; films are `<recording>|<person>|
            <first frame>|<last frame>.mp4`, cut already.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    find(folder, FILES)

    def sample_of(row: tuple[str, int, Mapping[str, Any]]) -> Sample:
        split, place, found = row
        path = PurePosixPath(found["video_path"])
        recording, *_, first, last = path.stem.split("|")
        letters = list(found["option"])
        if letters != list(ascii_uppercase[: len(letters)]):
            raise RowError("malformed_row", f"options {letters}")
        target = choice([*found["option"].values()], found["a"])
        length_s = (int(last) - int(first)) / FPS
        subsets = (split,) if split in SPLITS else ()
        return Sample(f"{split} {place}", recording, found["q"], (Medium(str(path)),), target, subsets, length_s)

    rows = []
    for file in FILES:
        split = file.removesuffix(".json").removeprefix("egotaskqa_")
        if (folder / file).is_file():
            rows += [(split, place, row) for place, row in enumerate(read_json(folder / file, list))]
    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {row[1]}")


BENCHMARK = Benchmark(
    title="EgoTaskQA",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="test, 8,783 five-way questions of EgoThinker; direct and indirect where they have files of their own",
    licence="none stated",
    origin="`InternRobotics/EgoThinker`, `lmms-eval/anno/egotaskqa.json` (2.98 MB)",
    frames=16,
    answer_tokens=16,
    published=(("Exo2Ego, direct", 44.7), ("Exo2Ego, indirect", 50.3), ("Qwen2-VL-7B", 57.9), ("EgoThinker", 64.4)),
    note="Exo2Ego and EgoThinker chose other wrong answers: their figures are of two benchmarks",
)
