"""EgoExoMem: what happened in a take that was filmed from both views, four-way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice, shuffled
from components.benchmarks.shared.files import OTHER_FORM, RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("egoexomem_egoexo4d.json", "qa_merged_v6.json")
FILES_LEMMA = ("egoexomem_lemma.json", "qa_verified.json")
_KEY_FRAME = re.compile(r"(ego|exo)_(.+)_\d+\.jpg$")
_LEMMA_ID = re.compile(r"(.+)_(Q\d)_\d+$")


def load(folder: Path) -> Loaded:
    """Read the questions about Ego-Exo4D; options are shuffled by the id of the question.

    Args:
        folder: with one of FILES; films are those of Ego-Exo4D, `takes/<take>/frame_aligned_videos/<camera>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    rows = read_json(find(folder, FILES), list)
    cameras: dict[str, dict[str, str]] = {}  # of each take, as the key frames of any of its questions name them
    for row in rows:
        for take, view, camera in _cameras(row):
            cameras.setdefault(take, {}).setdefault(view, camera)

    def sample_of(row: Mapping[str, Any]) -> Sample:
        take = row["take_name"]
        if not cameras.get(take):
            raise RowError("no_camera", f"no key frame names a camera of {take}")
        media = tuple(
            Medium(f"takes/{take}/frame_aligned_videos/{camera}.mp4", view)
            for view, camera in sorted(cameras[take].items())
        )
        target = shuffled(choice(row["options"], row["correct_answer"]), row["qa_id"])
        subsets = (row["qa_type"], f"needs {row['required_view']}")
        return Sample(row["qa_id"], take, row["question"], media, target, subsets)

    return loaded(rows, sample_of, row_id=lambda row, place: str(row["qa_id"]))


def _cameras(row: Any) -> list[tuple[str, str, str]]:
    """Return take, view and camera of each key frame of a question; none where the row has another form."""
    try:
        found = map(_KEY_FRAME.search, row["verification"]["keyframes"])
        return [(row["take_name"], match[1], match[2]) for match in found if match]
    except OTHER_FORM:
        return []


def load_lemma(folder: Path) -> Loaded:
    """Read the questions about LEMMA, whose first option is right in two of three; they are shuffled likewise.

    Args:
        folder: with one of FILES_LEMMA; films are `<recording>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: tuple[str, Mapping[str, Any]]) -> Sample:
        name, found = row
        match = _LEMMA_ID.fullmatch(name)
        if match is None:
            raise RowError("malformed_row", f"id {name!r} names no recording and type")
        target = shuffled(choice(found["options"], found["correct_answer"]), name)
        return Sample(name, match[1], found["question"], (Medium(f"{match[1]}.mp4"),), target, (match[2],))

    rows = read_json(find(folder, FILES_LEMMA), dict)
    return loaded(rows.items(), sample_of, row_id=lambda row, place: row[0])


_SHUFFLED = "options are shuffled by the id of the question, as the authors' script does; unshuffled, "
BENCHMARK = Benchmark(
    title="EgoExoMem (Ego-Exo4D)",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="764 questions of 7 types about 125 takes",
    licence="CC BY 4.0; films: Ego-Exo4D licence agreement",
    origin="`RuipingL/EgoExoMem`, `data/EgoExo4D/qa_merged_v6.json`",
    frames=32,
    answer_tokens=16,
    official="first_letter",
    note=f"{_SHUFFLED}the last position is right in a tenth of the questions",
)
BENCHMARK_LEMMA = Benchmark(
    title="EgoExoMem (LEMMA)",
    load=load_lemma,
    files=FILES_LEMMA,
    metric="accuracy",
    splits="1,824 questions",
    licence="CC BY 4.0; films under LEMMA's licence",
    origin="`RuipingL/EgoExoMem`, `data/LEMMA/qa_verified.json`",
    frames=32,
    answer_tokens=16,
    official="first_letter",
    note=f"{_SHUFFLED}the first position is right in 1,193 of 1,824",
    listed_as=lambda video: video.replace("_", "-"),  # as LEMMA and EgoTaskQA write it
)
