"""HD-EPIC VQA: five-way questions of 30 prototypes about hours of kitchen film."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample
from components.benchmarks.shared.times import seconds

FOLDER = "vqa-benchmark"
FILES = (f"{FOLDER}/*.json",)
_TIME = re.compile(r"<TIME ([\d:.]+) (video \d+)>")


def load(folder: Path) -> Loaded:
    """Read the questions of all files; the name of a file, a prototype, is a subset.

    Args:
        folder: with `vqa-benchmark/*.json`; films are `<participant>/<id>.mp4`.

    Raises:
        ValueError: no file, or one that is no JSON.
    """

    def sample_of(row: tuple[str, str, Mapping[str, Any]]) -> Sample:
        prototype, name, found = row
        media, lengths = [], []
        for given in found["inputs"].values():
            film = f"{given['id'].split('-')[0]}/{given['id']}.mp4"
            if "start_time" in given:
                start_s, end_s = seconds(given["start_time"]), seconds(given["end_time"])
                media.append(Medium(film, "ego", start_s, end_s))
                lengths.append(end_s - start_s)
            else:
                media.append(Medium(film))
        # an option may be a list, of ingredients in their order
        texts = [option if isinstance(option, str) else ", ".join(option) for option in found["choices"]]
        options = [_TIME.sub(r"\1 of \2", text) for text in texts]
        target = choice(options, found["correct_idx"])
        length_s = sum(lengths) if len(lengths) == len(media) else None
        video = next(iter(found["inputs"].values()))["id"]
        question = _TIME.sub(r"\1 of \2", found["question"])
        return Sample(name, video, question, tuple(media), target, (prototype,), length_s)

    files = sorted((folder / FOLDER).glob("*.json"))
    if not files:
        raise ValueError(f"{folder} holds none of {list(FILES)}; docs/benchmarks.md says where to get it")
    rows = [(path.stem, name, row) for path in files for name, row in read_json(path, dict).items()]
    return loaded(rows, sample_of, row_id=lambda row, place: row[1])


BENCHMARK = Benchmark(
    title="HD-EPIC VQA",
    load=load,
    files=FILES,
    metric="accuracy",
    averaged=30,
    splits="test, 30 files of one prototype each; the mean of all is refused where one is missing",
    licence="CC BY-NC 4.0 for films; none is in the folder of the questions",
    origin="`hd-epic/hd-epic-annotations`, `vqa-benchmark/`",
    frames=32,
    note="the authors' mean is over seven groups of prototypes; times in questions are of whole films",
)
