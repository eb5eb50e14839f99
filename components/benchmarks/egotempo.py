"""EgoTempo: open questions that need the whole of a clip of Ego4D."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample, Text

FILES = ("egotempo_openqa.json", "egotempo_openQA.json")


def load(folder: Path) -> Loaded:
    """Read the questions; a type of question is a subset.

    Args:
        folder: with one of FILES; films are `<Ego4D uid>.mp4`, of which the seconds in `clip_id` are shown.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        uid, start, end = row["clip_id"].split("_")
        start_s, end_s = float(start), float(end)
        if not row["answer"].strip():
            raise RowError("no_answer")
        return Sample(
            row["question_id"],
            uid,
            row["question"],
            (Medium(f"{uid}.mp4", "ego", start_s, end_s),),
            Text((row["answer"].strip(),)),
            (row["question_type"],),
            end_s - start_s,
        )

    path = find(folder, FILES)
    rows = read_json(path, dict).get("annotations")
    if not isinstance(rows, list):
        raise ValueError(f"{path}: {type(rows).__name__} came under `annotations`, allowed is list")
    return loaded(rows, sample_of, row_id=lambda row, place: str(row["question_id"]))


BENCHMARK = Benchmark(
    title="EgoTempo",
    load=load,
    files=FILES,
    metric="open",
    splits="500 open questions, 50 of each of 10 types",
    licence="CC BY 4.0; films: Ego4D licence agreement",
    origin="`google-research-datasets/egotempo`, `egotempo_openQA.json`",
    frames=32,
    answer_tokens=64,
    note="lmms-eval scores it by ANLS, the authors by a language model (`--judge`): the two are not comparable",
)
