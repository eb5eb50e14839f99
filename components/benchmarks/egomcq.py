"""EgoMCQ: which of several narrations belongs to a clip of Ego4D, inside one video or across videos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("egomcq.json",)
_TAG = re.compile(r"#\w+\s*")  # of who acts: "#C C opens"
QUESTION = "What does the camera wearer, C, do in the video?"


def load(folder: Path) -> Loaded:
    """Read the questions, turned round: a clip is shown and a narration is chosen.

    EgoVLP asks for the clip of a narration, by similarity; a model that reads video and writes text is asked the other
    way, as Exo2Ego does. Whether a question stays inside one video is told by its choices, for readers of `types` do
    not agree on what its numbers mean.

    Args:
        folder: with egomcq.json; films are `<Ego4D uid>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: tuple[str, Mapping[str, Any]]) -> Sample:
        name, found = row
        choices = [found["choices"][key] for key in sorted(found["choices"], key=int)]
        right = choices[found["answer"]]
        start_s, end_s = max(0.0, float(right["clip_start"])), float(right["clip_end"])
        if start_s >= end_s:
            raise RowError("empty_span", f"{start_s} to {end_s} s")
        target = choice([_TAG.sub("", each["clip_text"]) for each in choices], found["answer"])
        subset = "intra" if len({each["video_uid"] for each in choices}) == 1 else "inter"
        medium = Medium(f"{right['video_uid']}.mp4", "ego", start_s, end_s)
        return Sample(name, right["video_uid"], QUESTION, (medium,), target, (subset,), end_s - start_s)

    return loaded(read_json(find(folder, FILES), dict).items(), sample_of, row_id=lambda row, place: row[0])


BENCHMARK = Benchmark(
    title="EgoMCQ",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="39K five-way questions, inter and intra video; with ten choices where the file has ten",
    licence="Ego4D licence agreement",
    origin="`showlab/EgoVLP`, on a file host; no public copy was found, so tests write the documented form",
    frames=4,
    answer_tokens=16,
    published=(("Exo2Ego, inter", 88.4), ("Exo2Ego, intra", 41.2)),
    note="EgoVLP's 90.7 is of text to video: another task; the `types` of the file are not trusted",
)
