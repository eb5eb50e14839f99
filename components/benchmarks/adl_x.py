"""ADL-X: activities of daily living, seen from outside: four sets of closed questions and two of descriptions."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.benchmarks.shared.choices import choice, letters
from components.benchmarks.shared.files import RowError, loaded, read_json
from components.benchmarks.shared.sample import CONSISTENCY, Benchmark, Loaded, Medium, Sample, Text

# file -> folder of its films, as the authors' scripts name both
SETS = {
    "Charades-AR.json": "Charades_videos",
    "Smarthome-AR.json": "Smarthome_videos",
    "LEMMA-TC.json": "LEMMA_videos",
    "TSU-TC.json": "TSU_TC_videos",
}
CHARADES, TSU = "Charades-Description.json", "TSU-Description.json"
_TSU_FILMS = "TSU_Descriptions_videos"
# of TSU, whose file holds descriptions alone
_DESCRIBE = "Describe what the people in the video do, how they move and which objects they use."
_SAME = ("Describe the actions in the scene.", "Which actions does the person in the video perform?")


def load(folder: Path) -> Loaded:
    """Read the closed questions of every set that is there; a set is a subset.

    Args:
        folder: with files of SETS; films lie in the folders that SETS names.

    Raises:
        ValueError: none of the files, or one that is no JSON.
    """
    rows = [
        (file, place, row)
        for file in _there(folder, tuple(SETS))
        for place, row in enumerate(read_json(folder / file, list))
    ]

    def sample_of(row: tuple[str, int, Mapping[str, Any]]) -> Sample:
        file, place, found = row
        film = PurePosixPath(SETS[file], found["video_filename"])
        target = choice(*letters(found["answer_choices"], found["ground_truth_letter"]))
        name = PurePosixPath(file).stem
        return Sample(f"{name} {place}", film.stem, found["question"], (Medium(str(film), "exo"),), target, (name,))

    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {row[1]}")


def load_descriptions(folder: Path) -> Loaded:
    """Read the descriptions; each video is asked one question, and the same thing in two ways (subset CONSISTENCY).

    Args:
        folder: with CHARADES or TSU or both; films are `Charades_videos/<name>.mp4`, and of TSU the parts
            `TSU_Descriptions_videos/<name>_*.mp4` of a video, which are shown together.

    Raises:
        ValueError: none of the files, or one that is no JSON.
    """
    asked = ("Q", "cons_Q1", "cons_Q2")
    rows: list[tuple[str, Any, str]] = []  # file, what it holds of a video, which question
    for file in _there(folder, (CHARADES, TSU)):
        found = read_json(folder / file, list) if file == CHARADES else read_json(folder / file, dict).items()
        rows += [(file, row, question) for row in found for question in asked]

    def sample_of(row: tuple[str, Any, str]) -> Sample:
        file, found, asked = row
        kind, name, films, words = _charades(found) if file == CHARADES else _tsu(folder, *found)
        answer = words["A" if asked == "Q" else "cons_A"]
        subsets = (kind,) if asked == "Q" else (kind, CONSISTENCY)
        media = tuple(Medium(film, "exo") for film in films)
        return Sample(f"{kind} {name} {asked}", name, words[asked], media, Text((answer.strip(),)), subsets)

    def row_id(row: tuple[str, Any, str], place: int) -> str:
        file, found, asked = row
        return f"Charades {found['video_name']} {asked}" if file == CHARADES else f"TSU {found[0]} {asked}"

    return loaded(rows, sample_of, row_id=row_id)


def _charades(row: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...], Mapping[str, Any]]:
    """Return the set, the video, its films, and questions with answers."""
    name = row["video_name"]
    return "Charades", name, (f"{SETS['Charades-AR.json']}/{name}.mp4",), row


def _tsu(folder: Path, name: str, text: Any) -> tuple[str, str, tuple[str, ...], Mapping[str, Any]]:
    """Return the same as `_charades`."""
    if PurePosixPath(name).name != name:
        raise RowError("malformed_row", f"{name!r} is no name of a film; allowed is one without folders")
    parts = sorted((folder / _TSU_FILMS).glob(f"{glob.escape(name)}_*.mp4"))
    films = tuple(f"{_TSU_FILMS}/{part.name}" for part in parts)
    row = {"Q": _DESCRIBE, "cons_Q1": _SAME[0], "cons_Q2": _SAME[1], "A": text, "cons_A": text}
    return "TSU", name, films or (f"{_TSU_FILMS}/{name}_*.mp4",), row


def _there(folder: Path, files: tuple[str, ...]) -> list[str]:
    there = [file for file in files if (folder / file).is_file()]
    if not there:
        raise ValueError(f"{folder} holds none of {list(files)}; docs/benchmarks.md says where to get them")
    return there


BENCHMARK = Benchmark(
    title="ADL-X, closed questions",
    load=load,
    files=tuple(SETS),
    metric="accuracy",
    averaged=len(SETS),
    splits="action recognition in Charades and Smarthome, what comes next in LEMMA and Toyota Smarthome Untrimmed",
    licence="none stated; films under their sources' licences",
    origin="`ADL-X/LLAVIDAL`, hub data set; files of its `legacy/` have other forms and are not read",
    frames=32,
    official="letter_after_answer",
    published=(("VideoLLaMA3", 76.9), ("fine-tuned, exo only", 75.0), ("Ego2ExoVLM", 78.8)),
    note="the papers' average is over the four sets (`mean_of_4`); the authors let Llama 3.1 read every answer, "
    "`official` is the reader of Ego-in-Exo Perception, whose authors are the same; films are cut segments whose names "
    "have no documented form, so that intervals are over films: too narrow where several are of one recording",
)
BENCHMARK_DESCRIPTIONS = Benchmark(
    title="ADL-X, descriptions",
    load=load_descriptions,
    files=(CHARADES, TSU),
    metric="description",
    splits="Charades, and Toyota Smarthome Untrimmed in parts",
    licence="none stated; films under their sources' licences",
    origin="`ADL-X/LLAVIDAL`, hub data set of the authors",
    frames=32,
    note="`judge_mean` of a subset with `--judge`, of five criteria, is what papers print: VideoLLaMA3 70.6 (Charades) "
    "and 87.2 (Smarthome), Ego2ExoVLM 75.5 and 88.7; the authors describe each part of a TSU film alone and let a "
    "language model merge the texts, here the parts share the frames",
)
