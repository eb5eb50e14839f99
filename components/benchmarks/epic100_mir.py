"""EPIC-KITCHENS-100 multi-instance retrieval: captions ranked for clips and clips for captions, by graded relevance."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from components.benchmarks.shared.files import RowError, find, loaded, read_csv
from components.benchmarks.shared.sample import Action, Benchmark, Loaded, Medium, Sample
from components.benchmarks.shared.times import seconds

FILES = ("epic100_retrieval_test.csv", "EPIC_100_retrieval_test.csv")
CAPTIONS = ("epic100_retrieval_test_sentence.csv", "EPIC_100_retrieval_test_sentence.csv")


def load(folder: Path) -> Loaded:
    """Read the clips, and which of their narrations are the captions.

    A caption's classes stand in the row of its id among the clips: the file of captions has none.

    Args:
        folder: with one of FILES and one of CAPTIONS; films are `Pxx/videos/Pxx_yy.MP4`.

    Raises:
        ValueError: a file is missing, or a caption names no clip.
    """
    captions = {row["narration_id"] for row in read_csv(find(folder, CAPTIONS), ("narration_id",))}

    def sample_of(row: Mapping[str, str]) -> Sample:
        start_s, end_s = seconds(row["start_timestamp"]), seconds(row["stop_timestamp"])
        if start_s >= end_s:
            raise RowError("empty_span", f"{start_s} to {end_s} s")
        nouns = frozenset(int(number) for number in ast.literal_eval(row["all_noun_classes"]))
        target = Action(int(row["verb_class"]), nouns, row["narration_id"] in captions)
        medium = Medium(f"{row['participant_id']}/videos/{row['video_id']}.MP4", "ego", start_s, end_s)
        return Sample(row["narration_id"], row["video_id"], row["narration"], (medium,), target, (), end_s - start_s)

    rows = read_csv(find(folder, FILES), ("narration_id",))
    found = loaded(rows, sample_of, row_id=lambda row, place: row["narration_id"])
    if unknown := captions - {sample.sample_id for sample in found.samples}:
        raise ValueError(f"{folder}: {len(unknown)} captions, as {min(unknown)}, are of no clip in {FILES[1]}")
    return found


BENCHMARK = Benchmark(
    title="EPIC-100 MIR",
    load=load,
    files=FILES,
    metric="retrieval",
    splits="test, 9,668 clips and 3,842 captions",
    licence="CC BY-NC 4.0",
    origin="`epic-kitchens/epic-kitchens-100-annotations`, `retrieval_annotations/`",
    frames=16,
    published=(("Exo2Ego", 49.7),),
    note="mAP sums graded relevance: of random scores a textbook's is 0.4, the benchmark's 5.7; it ranks features, so "
    "no checkpoint can be asked",
)
