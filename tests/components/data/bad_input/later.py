"""Defects that a later step meets: narrations that give no clip, tables that are broken, films that changed since."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from components import records
from tests.components.data.bad_input.case import (
    CLIPS,
    FRAMES,
    SAID,
    Case,
    Spoil,
    annotations_of_take,
    description,
    first,
    one_more_description,
    put,
    recoded,
    replaced_by_folder,
)
from tests.components.data.bad_input.films import EVEN_MS, cam01, film, link_out

NARRATIONS, SAMPLES = "data/annotations/narrations.parquet", "data/dataset/samples.parquet"
ALONE = ("clips",)
UNDECODED = {"frames/video_not_decoded": 1}
VAL = SAID.replace("train", "val")


def only_one(annotations: list[dict]) -> None:
    one = first(annotations)
    annotations[:] = [one | {"descriptions": one["descriptions"][:1]}]


def reversed_descriptions(annotations: list[dict]) -> None:
    for annotation in annotations:
        annotation["descriptions"].reverse()


def without(column: str) -> Spoil:
    def spoil(folder: Path) -> None:
        table = pq.read_table(folder / NARRATIONS)
        pq.write_table(table.drop_columns(column), folder / NARRATIONS)

    return spoil


def sample(change: Callable[[dict], None]) -> Spoil:
    """Change the first sample, of one ego clip and its exo view."""

    def spoil(folder: Path) -> None:
        rows = records.read_table(folder / SAMPLES, records.SAMPLE).to_pylist()
        change(rows[0])
        records.write_table(folder / SAMPLES, rows, records.SAMPLE)

    return spoil


def span(**members: object) -> Spoil:
    return sample(lambda row: row["media"][0].update(members))


def cut_behind_its_index(folder: Path) -> None:
    path = cam01(folder)
    film(path, EVEN_MS)
    path.write_bytes(path.read_bytes()[:4000])


CASES = [
    Case("narration after the end", one_more_description(timestamp=99.0), {"clips/outside_video": 1}, steps=CLIPS),
    Case("narrations at the same time", one_more_description(), {"clips/equal_time": 1}, steps=CLIPS),
    Case("narration without words", description(text=" \n"), {"clips/empty_text": 1}, steps=CLIPS),
    Case("narrations out of order", annotations_of_take(reversed_descriptions), steps=CLIPS),
    Case("take with one narration", annotations_of_take(only_one), {"clips/single_narration": 1}, steps=CLIPS),
    Case(
        "table missing", lambda folder: (folder / NARRATIONS).unlink(), error="narr.*cannot be read.*repro", steps=ALONE
    ),
    Case(
        "table of zero bytes", put(NARRATIONS, b""), error="narrations.parquet cannot be read.*dvc repro", steps=ALONE
    ),
    Case(
        "table cut off",
        recoded(NARRATIONS, lambda came: came[:-20]),
        error="narrations.parquet cannot be read.*dvc repro",
        steps=ALONE,
    ),
    Case("table is a folder", replaced_by_folder(NARRATIONS), error="narrations.parquet.*dvc repro", steps=ALONE),
    Case("table without a column", without("time_s"), error="columns are.*allowed are.*dvc repro", steps=ALONE),
    Case("film cut off behind its index", cut_behind_its_index, UNDECODED, steps=FRAMES),
    Case("film shorter than it was", lambda folder: film(cam01(folder), EVEN_MS[:8]), UNDECODED, steps=FRAMES),
    Case("film gone since", lambda folder: cam01(folder), UNDECODED, steps=FRAMES),
    Case("film become a link out of the root", link_out, UNDECODED, steps=FRAMES),
    Case("span that begins at NaN", span(start_s=float("nan")), {"frames/bad_span": 1}, steps=FRAMES),
    Case("span of zero length", span(start_s=4.0, end_s=4.0), {"frames/bad_span": 1}, steps=FRAMES),
    Case("span beyond the video", span(start_s=99.0, end_s=100.0), {"frames/bad_span": 1}, steps=FRAMES),
    Case("span of an unknown video", span(video_id="unknown"), {"frames/bad_span": 1}, steps=FRAMES),
    Case("sample without media", sample(lambda row: row.update(media=[])), {"frames/no_media": 1}, steps=FRAMES),
    Case(
        "sample of an unknown kind of frames",
        sample(lambda row: row.update(frame_kind="film")),
        {"frames/unknown_frame_kind": 1},
        steps=FRAMES,
    ),
    Case(
        "samples cut off",
        recoded(SAMPLES, lambda came: came[:-20]),
        error="samples.parquet cannot be read",
        steps=FRAMES,
    ),
]
