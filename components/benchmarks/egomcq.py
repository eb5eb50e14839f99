"""EgoMCQ: which of several narrations belongs to a clip of Ego4D, inside one video or across videos."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice, shuffled
from components.benchmarks.shared.files import OTHER_FORM, RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("egomcq.json",)
_TAG = re.compile(r"#\w+\s*")  # of who acts: "#C C opens"
QUESTION = "What does the camera wearer, C, do in the video?"
TEN = 10  # options that Exo2Ego raises the file's five to


def load(folder: Path, nearest: Callable[..., list[str]] | None = None) -> Loaded:
    """Read the questions, turned round: a clip is shown and a narration is chosen.

    EgoVLP asks for the clip of a narration, by similarity; a model that reads video and writes text is asked the other
    way, as Exo2Ego does. Whether a question stays inside one video is told by its choices, for readers of `types` do
    not agree on what its numbers mean.

    Args:
        folder: with egomcq.json; films are `<Ego4D uid>.mp4`.
        nearest: chooses further wrong options up to TEN, among the narrations of the videos that a question is about
            already, so that what stays inside one video still does; None leaves the options of the file.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    rows = read_json(find(folder, FILES), dict)
    told = _narrations(rows.values()) if nearest else {}

    def sample_of(row: tuple[str, Mapping[str, Any]]) -> Sample:
        name, found = row
        choices = [found["choices"][key] for key in sorted(found["choices"], key=int)]
        right = choices[found["answer"]]
        start_s, end_s = max(0.0, float(right["clip_start"])), float(right["clip_end"])
        if start_s >= end_s:
            raise RowError("empty_span", f"{start_s} to {end_s} s")
        target = choice([_text(each) for each in choices], found["answer"])
        videos = sorted({each["video_uid"] for each in choices})
        subset = "intra" if len(videos) == 1 else "inter"
        if nearest and (count := TEN - len(choices)) > 0:
            text = target.options[found["answer"]]
            wrong = [option for option in target.options if option != text]
            others = (other for video in videos for other in told[video] if other not in target.options)
            further = nearest(text, others, count=count, beside=wrong)
            target = shuffled(choice([*target.options, *further], found["answer"]), name)
        medium = Medium(f"{right['video_uid']}.mp4", "ego", start_s, end_s)
        return Sample(name, right["video_uid"], QUESTION, (medium,), target, (subset,), end_s - start_s)

    return loaded(rows.items(), sample_of, row_id=lambda row, place: row[0])


def _text(clip: Mapping[str, Any]) -> str:
    return _TAG.sub("", clip["clip_text"]).strip()


def _narrations(rows: Iterable[Any]) -> dict[str, dict[str, None]]:
    """Return the narrations of each video, in their order; rows of another form are rejects later."""
    told: dict[str, dict[str, None]] = {}
    for row in rows:
        try:
            clips = [(clip["video_uid"], _text(clip)) for clip in row["choices"].values()]
        except OTHER_FORM:
            continue
        for video, text in clips:
            told.setdefault(video, {})[text] = None
    return told


BENCHMARK = Benchmark(
    title="EgoMCQ",
    load=load,
    load_alike=load,
    files=FILES,
    metric="accuracy",
    splits="39K five-way questions, inter and intra video; ten-way with `sentence_model`",
    licence="Ego4D licence agreement",
    origin="`showlab/EgoVLP`, on a file host; no public copy was found, so tests write the documented form",
    frames=4,
    answer_tokens=16,
    published=(("Exo2Ego, inter", 88.4), ("Exo2Ego, intra", 41.2)),
    note="EgoVLP's 90.7 is of text to video: another task; the `types` of the file are not trusted; Exo2Ego's figures "
    "are of ten options, five of them the most similar texts by an unnamed sentence model: here those of the same "
    "videos, by the one that `sentence_model` of params/eval.yaml names",
)
