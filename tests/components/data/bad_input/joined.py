"""Defects of what rows are joined by: names and films that stand twice, keys that are null, another encoding."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.components.data.bad_input.case import SPLITS, TAKES, Case, Spoil, edited, narrated, recoded

NARRATIONS, VIDEOS = "data/annotations/narrations.parquet", "data/annotations/videos.parquet"
WEBVID = "raw/webvid/results_2M_train.csv"
LEARN = "raw/egoexolearn/annotations/fine_annotation_trainval_en.csv"
ALONE = ("clips",)


def one_more_take(split: str, change: Callable[[dict], None]) -> Spoil:
    """List the first narrated training take once more, under another uid, in a split, changed."""

    def spoil(folder: Path) -> None:
        take = json.loads(json.dumps(narrated(folder))) | {"take_uid": "another"}
        change(take)
        edited(TAKES, lambda takes: takes.append(take))(folder)
        edited(SPLITS, lambda content: content["take_uid_to_split"].update(another=split))(folder)

    return spoil


def null(path: str, column: str) -> Spoil:
    """Empty a cell of the first row of a table."""

    def spoil(folder: Path) -> None:
        table = pq.read_table(folder / path)
        place = table.column_names.index(column)
        cells = pa.array([None, *table[column].to_pylist()[1:]], table.schema.field(column).type)
        pq.write_table(table.set_column(place, table.schema.field(column), cells), folder / path)

    return spoil


def in_latin_1(came: bytes) -> bytes:
    return came.decode().replace("a", "\xe4").encode("latin-1")


CASES = [
    Case(
        "two takes of one name",
        one_more_take("train", lambda take: None),
        error="egoexo4d in .*'.*' is the name of takes .* and another.*mend sources.egoexo4d in params/data.yaml",
    ),
    Case(
        "one film under a train and a test take",
        one_more_take("val", lambda take: take.update(take_name="another")),
        error=r"egoexo4d in .*mp4' is the film of takes in test and train.*\(\d in all\).*mend sources.egoexo4d",
    ),
    Case(
        "narration whose take is null",
        null(NARRATIONS, "take_id"),
        error="narrations.parquet: 1 rows have no take_id.*remove the file and rerun `dvc repro`",
        steps=ALONE,
    ),
    Case(
        "video whose take is null",
        null(VIDEOS, "take_id"),
        error="videos.parquet: 1 rows have no take_id.*remove the file and rerun `dvc repro`",
        steps=ALONE,
    ),
    Case("CSV in Latin-1", recoded(WEBVID, in_latin_1), error="results_2M_train.csv.*mend sources.webvid"),
    Case("intervals in Latin-1", recoded(LEARN, in_latin_1), error="trainval_en.csv.*mend sources.egoexolearn"),
]
