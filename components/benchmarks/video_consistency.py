"""Charades-CON and ActivityNet-CON: rewordings, false versions and parts of a grounded sentence (Jung et al. 2024).

By EgoExo-Con's first author, and the nearest public file to it: one view, the same two tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components import prompts
from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import OTHER_FORM, RowError, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample, Span

SETS = {  # name -> its file here, and as the authors name it
    "ActivityNet-CON": ("consistency_activitynet.json", "activitynet_consistency_test.json"),
    "Charades-CON": ("consistency_charades.json", "charades_consistency_test.json"),
}
FILES = tuple(name for names in SETS.values() for name in names)
OPTIONS = (prompts.YES, prompts.NO)
VIEW = "exo"  # of nearly all films of ActivityNet and Charades
# kind of query -> what is right; of whole sentences and of their parts
VERIFIED = {"aligned": prompts.YES, "misaligned": prompts.NO, "part": prompts.YES, "false part": prompts.NO}
GROUNDED = ("original", "rephrased", "shifted")
Row = tuple[str, str, Mapping[str, Any], int, str, str]  # set, video, its entry, place of the sentence, kind, text


def load_verification(folder: Path) -> Loaded:
    """Read whether each reworded, false and partial query holds in the seconds of its sentence.

    Args:
        folder: with one of FILES or more; films are `<video>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Row) -> Sample:
        name, video, entry, place, kind, text = _read(row)
        start_s, end_s = _span(entry["timestamps"][place], entry["duration"])
        asked = text if kind.endswith("part") else prompts.verification_question(text.rstrip(". "))
        question = f"from {start_s:g} to {end_s:g} seconds, {asked}"
        target = choice(OPTIONS, OPTIONS.index(VERIFIED[kind]))
        level = "compositional" if kind.endswith("part") else "holistic"
        return Sample(
            _id(row), video, question, (Medium(f"{video}.mp4", VIEW),), target, (name, level), entry["duration"]
        )

    return loaded(_rows(folder, VERIFIED), sample_of, row_id=lambda row, place: _id(row))


def load_grounding(folder: Path) -> Loaded:
    """Read when each sentence, each rewording, and each sentence of a shifted film happens.

    Args:
        folder: with one of FILES or more; films are `<video>.mp4`, and `shifted_videos/<video>_<place>.mp4`, which the
            authors' script makes.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Row) -> Sample:
        name, video, entry, place, kind, text = _read(row)
        key, path = (
            ("shifted_timestamps", f"shifted_videos/{video}_{place}") if kind == "shifted" else ("timestamps", video)
        )
        span = Span(*_span(entry[key][place], entry["duration"]))
        question = prompts.temporal_question(text.rstrip(". "))
        return Sample(_id(row), video, question, (Medium(f"{path}.mp4", VIEW),), span, (name, kind), entry["duration"])

    return loaded(_rows(folder, GROUNDED), sample_of, row_id=lambda row, place: _id(row))


def _rows(folder: Path, kinds: Any) -> list[Row]:
    there = {name: path for name, files in SETS.items() for path in (folder / file for file in files) if path.is_file()}
    if not there:
        raise ValueError(f"{folder} holds none of {list(FILES)}; docs/benchmarks.md says where to get it")
    entries = [(name, *item) for name, path in there.items() for item in read_json(path, dict).items()]
    return [row for entry in entries for row in _queries(*entry) if row[4] in kinds or not row[4]]


def _queries(name: str, video: str, entry: Any) -> Iterator[Row]:
    """Yield the queries of a video; of an entry of another form one row without a kind."""
    try:
        of_sentences = list(zip(entry["sentences"], entry["consistency_annotations"], strict=True))
        for place, (sentence, found) in enumerate(of_sentences):
            texts = {
                "original": [sentence], "shifted": [sentence], "rephrased": found["A"], "aligned": found["A"],
                "misaligned": found["M"], "part": found["C"]["Y"], "false part": found["C"]["N"],
            }  # fmt: skip
            yield from ((name, video, entry, place, kind, text) for kind, several in texts.items() for text in several)
    except (*OTHER_FORM, ValueError) as error:
        yield name, video, {}, 0, "", f"{type(error).__name__}: {error}"


def _read(row: Row) -> Row:
    if not row[4]:
        raise RowError("malformed_entry", row[5])
    return row


def _id(row: Row) -> str:
    _, video, _, place, kind, text = row
    return f"{video} {place} {kind}: {text}"


def _span(given: tuple[float, float], duration_s: float) -> tuple[float, float]:
    start_s, end_s = (min(float(end), duration_s) for end in given)
    if not 0 <= start_s < end_s:
        raise RowError("empty_span", f"{given} s of {duration_s} s")
    return start_s, end_s


BENCHMARK_VERIFY = Benchmark(
    title="Video consistency (verification)",
    load=load_verification,
    files=FILES,
    metric="yes_no",
    splits="test, 500 films each of ActivityNet and Charades: three rewordings and three false versions of each "
    "sentence, and its parts",
    licence="none stated",
    origin="`minjoong507/Consistency-of-Video-LLM`, `data/`",
    frames=32,
    official="yes_unless_no",
    note="the authors ask about the seconds that the model answered itself, and only where these are right; here the "
    "true ones are asked about, so figures differ",
)
BENCHMARK_GROUND = replace(
    BENCHMARK_VERIFY,
    title="Video consistency (grounding)",
    load=load_grounding,
    metric="temporal",
    splits="test, 500 films each: every sentence, three rewordings, and the sentence in a shifted film",
    note="shifted films are made by the authors' script; where they are missing, their samples are rejects",
)
