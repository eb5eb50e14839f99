"""EgoSchema: five-way questions about three minutes of Ego4D; the answers of 500 are public."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("egoschema_subset_questions.jsonl", "500questions.jsonl", "questions.json")
OTHERS = "4531questions.json"  # of LVNet, beside its 500: the questions whose answers are hidden
TAKES = "uid_to_ego4d.json"  # of the authors: q_uid -> the Ego4D video; two questions may be of one
ANSWERS = "subset_answers.json"  # of the authors: q_uid -> index; LVNet's copy has them in its rows
LENGTH_S = 180.0  # of every film


def load(folder: Path) -> Loaded:
    """Read the questions; public answers and the names of Ego4D's videos too, where they are in files of their own.

    Args:
        folder: with one of FILES, and OTHERS beside a file of the subset; films are `<q_uid>.mp4`.

    Returns:
        Samples; of a question without a public answer the index is None.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    path = find(folder, FILES)
    rows = read_json(path, list)
    if path.name != FILES[-1] and (folder / OTHERS).is_file():
        rows += read_json(folder / OTHERS, list)
    answers, takes = ((read_json(path, dict) if path.is_file() else {}) for path in (folder / ANSWERS, folder / TAKES))

    def sample_of(row: Mapping[str, Any]) -> Sample:
        uid = row["q_uid"]
        target = choice([row[f"option {place}"] for place in range(5)], row.get("CA", answers.get(uid)))
        subsets = ("hidden answer" if target.index is None else "subset",)
        video = takes[uid]["video_uid"] if takes else uid
        return Sample(uid, video, row["question"], (Medium(f"{uid}.mp4"),), target, subsets, LENGTH_S)

    return loaded(rows, sample_of, row_id=lambda row, place: str(row.get("q_uid", f"row {place}")))


BENCHMARK = Benchmark(
    title="EgoSchema",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="subset of 500 with public answers; all 5,031, whose other answers only the authors' server knows",
    licence="Ego4D licence agreement for films; questions: none stated",
    origin="`egoschema/EgoSchema`; the subset with questions and answers in one file: `jongwoopark7978/LVNet`",
    frames=32,
    answer_tokens=16,
    published=(("Exo2Ego", 61.3), ("EgoThinker, main table", 67.6), ("EgoThinker, ablation", 71.8)),
    listed_with=TAKES,
    note="keys have a space (`option 0`); the papers do not say of each figure whether it is of the subset or of all",
)
