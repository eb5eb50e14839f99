"""QAEgo4D: questions of episodic memory about clips of Ego4D, open or with three wrong answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice, shuffled
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample, Text

FILES = ("annotations.QaEgo4D_test.json", "annotations.test.json")
FILES_CLOSED = ("annotations.QaEgo4D_test_close.json",)


def load(folder: Path) -> Loaded:
    """Read the open questions.

    Args:
        folder: with one of FILES; films are the clips of Ego4D's natural-language queries, `<clip uid>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        if not row["answer"].strip():
            raise RowError("no_answer")
        return _sample(row, Text((row["answer"].strip(),)))

    return loaded(read_json(find(folder, FILES), list), sample_of, row_id=lambda row, place: str(row["sample_id"]))


def load_closed(folder: Path) -> Loaded:
    """Read the closed questions; the right answer stands apart in the file, and options are shuffled by the id.

    Args:
        folder: with one of FILES_CLOSED; films as those of the open questions.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        target = choice([row["answer"], *row["wrong_answers"]], 0)
        return _sample(row, shuffled(target, row["sample_id"]))

    return loaded(
        read_json(find(folder, FILES_CLOSED), list), sample_of, row_id=lambda row, place: str(row["sample_id"])
    )


def _sample(row: Mapping[str, Any], target: Any) -> Sample:
    return Sample(row["sample_id"], row["video_id"], row["question"], (Medium(f"{row['video_id']}.mp4"),), target)


_ORIGIN = "`lbaermann/qaego4d` (a form to sign) and `Becomebright/GroundVQA`; no public copy, tests write the form"
_LICENCE = "Ego4D licence agreement"
BENCHMARK = Benchmark(
    title="QAEgo4D (open)",
    load=load,
    files=FILES,
    metric="open",
    splits="test, made of NLQ's validation",
    licence=_LICENCE,
    origin=_ORIGIN,
    frames=32,
    note="Exo2Ego prints 28.3 / 2.7 by two text metrics it does not name",
)
BENCHMARK_CLOSED = Benchmark(
    title="QAEgo4D (closed)",
    load=load_closed,
    files=FILES_CLOSED,
    metric="accuracy",
    splits="test, with three wrong answers that Llama-2-13B wrote",
    licence=_LICENCE,
    origin=_ORIGIN,
    frames=32,
    answer_tokens=16,
    published=(("Exo2Ego", 62.1), ("EgoThinker", 66.1)),
    note="the reference shuffles at load and prints the mean of five seeds; here one order, by the id of the question",
)
