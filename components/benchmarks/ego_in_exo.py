"""Ego-in-Exo Perception: what only first-person video shows well, asked about the same seconds in third person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from components.benchmarks.shared.choices import choice, letters
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("egoinexoperception.json", "all_category_qas.json")  # the second is its name in earlier code
# the authors cut four letters off, so that of camera 10 and later the ego film has a name that is no film
_FILM = re.compile(r"(?P<segment>.+)_exo(?P<camera>\d+)(?:\.mp4)?")


def load(folder: Path, *, view: Literal["ego", "exo"] = "exo") -> Loaded:
    """Read the questions; a category is a subset.

    Args:
        folder: with one of FILES; films are `videos/<segment>_exo<N>.mp4` and `videos/<segment>_ego.mp4`.
        view: that is shown. The questions are of exo; ego is the upper bound.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: tuple[int, Mapping[str, Any]]) -> Sample:
        place, found = row
        film = _FILM.fullmatch(found["video_filename"])
        if film is None:
            raise RowError("malformed_row", f"video_filename {found['video_filename']!r} does not end in _exo<N>")
        segment = film["segment"]
        path = f"videos/{segment}_ego.mp4" if view == "ego" else f"videos/{segment}_exo{film['camera']}.mp4"
        target = choice(*letters(found["answer_choices"], found["ground_truth_letter"]))
        return Sample(str(place), segment, found["question"], (Medium(path, view),), target, (found["category_name"],))

    rows = enumerate(read_json(find(folder, FILES), list))
    return loaded(rows, sample_of, row_id=lambda row, place: str(row[0]))


BENCHMARK = Benchmark(
    title="Ego-in-Exo Perception",
    load=load,
    files=FILES,
    metric="accuracy",
    averaged=4,
    splits="3,881 questions of four categories about cooking, shown in exo",
    licence="none stated; films: Ego-Exo4D licence agreement",
    origin="hub data set `dreilly/Ego-in-Exo-Perception`; no public copy of it was read, tests write the form that "
    "`dominickrei/EgoExo4ADL`, `evaluation/benchmarks/egoperceptionmcq.py` reads",
    frames=32,
    official="letter_after_answer",
    published=(
        ("VideoLLaMA3, zero-shot", 71.2),
        ("fine-tuned, exo only", 65.7),
        ("Ego2ExoVLM, distillation", 68.5),
        ("Ego2ExoVLM, tokens", 72.2),
        ("Ego2ExoVLM", 74.2),
    ),
    note="the paper's average is over the four categories (`mean_of_4`); where the authors' code finds no letter it "
    "asks Llama 3.1, here such an answer is wrong; they show a frame a second, 180 at most; the name of an ego film is "
    "told by `_exo<N>` of any length, not by its last four letters; the names of segments have no documented form "
    "that tells the take, so that intervals are over segments: too narrow where several are of one take",
)
BENCHMARK_EGO = replace(
    BENCHMARK,
    title="Ego-in-Exo Perception, shown in ego",
    load=partial(load, view="ego"),
    splits="the same questions, shown in ego: the upper bound of what exo can show",
    published=(("teacher of Ego2ExoVLM", 77.9),),
)
