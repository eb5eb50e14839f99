"""Makes the good input once, spoils copies of it, and tells what the data steps make of them."""

import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq

from components import params, records
from components.data import annotations
from components.data.clips import step as clips
from components.data.frames import shards
from components.data.frames import step as frames
from components.video.killable_worker import KillableWorker
from tests.components.data.bad_input import films, joined, later, tables, takes
from tests.components.data.bad_input.case import Case, narrated
from tests.components.data.conftest import without_corpora
from tests.components.data.frames.test_step import sample, span
from tests.components.data.sources import written
from tests.conftest import TinyWorld

RUN = {"annotations": annotations.run, "clips": clips.run, "frames": frames.run}
CLOCK_S = 0.5
CASES = [*films.CASES, *takes.CASES, *tables.CASES, *joined.CASES, *later.CASES]


class Inline(KillableWorker):
    """Calls in this process, but gives the films that hang or crash a real worker which does so, on its clock."""

    def call(self, function, path, *args):
        if path.name == films.HANGS:
            return super().call(time.sleep, 600)
        if path.name == films.CRASHES:
            return super().call(os._exit, 7)
        return function(path, *args)


@dataclass(frozen=True)
class Good:
    """`folder` holds raw/ and data/ with annotations and two samples; `told` is what each step says of it."""

    folder: Path
    params: params.Data
    told: dict[str, "Told"] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    rows_in: int  # by the ledger of the step
    rows_out: int  # the same; checked against the tables of the step
    rejects: Counter  # stored, by reason


@dataclass(frozen=True)
class Outcome:
    """What the last step of a case told, and beside the good input: `rejects` more, `rows` more."""

    rows_in: int
    rows_out: int
    rows_rejected: int
    rejects: dict[str, int]
    rows: int
    error: Exception | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        added = ", ".join(f"{reason} {count:+d}" for reason, count in sorted(self.rejects.items()))
        return added or "read as it is meant"


def good(world: TinyWorld, folder: Path) -> Good:
    """Copy the tiny world, add small corpora, and run the steps on it."""
    for name, path in world.params.sources.given().items():
        shutil.copytree(path, folder / "raw" / name)
    raw = folder / "raw"
    written.lines(raw / "webvid/results_2M_train.csv", ["videoid,page_dir,name", "1,a,a dog", "2,a,a cat"])
    asked = {"question": "Where?", "answer": "there", "category": "c", "question_id": "a", "episode_history": "e/1"}
    written.as_json(raw / "openeqa/data/open-eqa-v0.json", [asked, asked | {"question_id": "b"}])
    said = {"timestamp_sec": 1.5, "narration_text": "#C C cuts"}
    written.as_json(raw / "ego4d/narration.json", {"v": {"narration_pass_1": {"narrations": [said]}}})
    (raw / "ego4d/full_scale").mkdir()
    film = next((raw / "egoexo4d/takes").glob("*/frame_aligned_videos/*.mp4"))
    shutil.copy(film, raw / "ego4d/full_scale/v.mp4")
    for name in "12":
        written.as_json(raw / f"dci/annotations/{name}.json", {"image": f"{name}.jpg", "short_caption": "a cat"})
    clip = {"YoutubeID": "a", "Start_timestamp": "00:00:01", "End_timestamp": "00:00:02", "Caption": "a cat"}
    written.as_json_lines(raw / "internvid/InternVid.jsonl", [clip])
    sources = {path.name: Path("raw") / path.name for path in raw.iterdir()}
    made = Good(folder, world.params.model_copy(update={"sources": params.Sources(**sources)}))
    made.told["annotations"] = _told("annotations", made.params, folder)
    without_corpora(folder / "data")
    _write_samples(folder)
    for step in ("clips", "frames"):
        made.told[step] = _told(step, made.params, folder)
    return made


def _write_samples(folder: Path) -> None:
    """An ego clip with its exo view, and an image of the ego view, of the take that generators spoil."""
    uid = narrated(folder)["take_uid"]
    videos = pq.read_table(folder / "data/annotations/videos.parquet").to_pylist()
    by_camera = {row["camera_id"]: row for row in videos if row["take_id"] == uid}
    ego, exo = by_camera["aria01"], by_camera["cam01"]
    rows = [
        sample("clip", "clip", [span(ego, 10.0, 12.0)], [span(exo, 10.0, 12.0)]),
        sample("image", "image", [span(ego, 5.25, 5.375)]),
    ]
    records.write_table(folder / "data/dataset/samples.parquet", rows, records.SAMPLE)


def _told(step: str, parameters: params.Data, folder: Path) -> Told:
    """Run a step.

    Raises:
        AssertionError: its ledger or its tables lose a row.
    """
    with (
        mock.patch.object(annotations, "KillableWorker", Inline),
        mock.patch.object(annotations, "PROBE_TIMEOUT_S", CLOCK_S),
        mock.patch.object(shards, "KillableWorker", Inline),
        mock.patch.object(shards, "TIMEOUT_S", CLOCK_S),
    ):
        ledger = RUN[step](parameters, folder / "data")["row_counts"]
    stored = {path.stem: pq.read_table(path) for path in (folder / "data" / step).glob("*.parquet")}
    rejects = stored.pop("rejects")
    reasons = zip(rejects["step"].to_pylist(), rejects["reason"].to_pylist(), strict=True)
    for what, rows_in, rows_out, rejected in ledger:
        assert rows_in == rows_out + rejected, (step, what)
    assert sum(rejected for *_, rejected in ledger) == len(rejects), step
    rows_in, rows_out = (sum(entry[at] for entry in ledger) for at in (1, 2))
    # what the tables hold, beside what the step says of itself; a sample has a row for each stream
    if step == "frames":
        held = len(set(stored["index"]["sample_id"].to_pylist()))
    else:
        held = sum(map(len, stored.values()))
    # `clips` also counts takes and narrations, on their way to its one table
    assert held == (ledger[-1][2] if step == "clips" else rows_out), step
    return Told(rows_in, rows_out, Counter("/".join(pair).removeprefix("annotations/") for pair in reasons))


def run(case: Case, of: Good, folder: Path) -> Outcome:
    """Spoil a copy of the good input in `folder` and run the steps of the case on it.

    Raises:
        Exception: whatever a step raises that is no plain ValueError, or that is raised before the last step.
    """
    shutil.copytree(of.folder, folder, symlinks=True)
    case.spoil(folder)
    for step in case.steps[:-1]:
        _told(step, of.params, folder)
    last, before = case.steps[-1], of.told[case.steps[-1]]
    try:
        told = _told(last, of.params, folder)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        return Outcome(0, 0, 0, {}, 0, error)
    more = {reason: told.rejects[reason] - before.rejects[reason] for reason in told.rejects | before.rejects}
    return Outcome(
        told.rows_in,
        told.rows_out,
        told.rejects.total(),
        {reason: count for reason, count in more.items() if count},
        told.rows_in - before.rows_in,
    )
