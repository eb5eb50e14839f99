"""A hand-made set of annotation tables: three cameras, two annotators, intervals and boxes, and each defect once."""

from collections import Counter
from pathlib import Path

import pytest

from components import params, records
from components.data import dataset
from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.data.egore import step as build
from components.data.funnel import tables
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts, narrate

TAKES, TAKE_S, FPS = 12, 16.0, 8.0
TEST_TAKES = ("take-3", "take-7")


@pytest.fixture(scope="session")
def data_params() -> params.Data:
    return params.load(Path("params/data.yaml"), params.Data)


def facts_of(take: int, event: int) -> Facts:
    number = take * 5 + event
    return Facts(
        VERBS[number % 8], COLOURS[(number * 5 + take) % 6], KINDS[(number * 3 + take // 2) % 8], HANDS[number % 2]
    )


def annotation_tables() -> dict:
    """Rows of each table, as dicts, so that a test can break one of them."""
    videos, narrations, boxes, intervals = [], [], [], []
    for take in range(TAKES):
        take_id, split = f"take-{take}", "test" if f"take-{take}" in TEST_TAKES else "train"
        shared = {"source": "egoexo4d", "take_id": take_id, "split": split}
        for camera, view in (("aria01", "ego"), ("cam01", "exo"), ("cam02", "exo")):
            videos.append(
                {**shared, "video_id": f"{take_id}-{camera}", "take_name": take_id, "camera_id": camera, "view": view}
                | {"path": f"{take_id}/{camera}.mp4", "duration_s": TAKE_S, "fps": FPS}
            )
        ego = f"{take_id}-aria01"
        for event in range(5):
            facts, start_s = facts_of(take, event), 3.0 * event
            intervals.append(
                {**shared, "interval_id": f"{take_id}-i{event}", "video_id": ego, "text": narrate(facts)}
                | {"source": "egoexolearn", "start_s": start_s, "end_s": start_s + 2.0}
            )
            for annotator in ("a", "b")[: 1 + (event + take) % 2]:
                narrations.append(
                    {**shared, "narration_id": f"{take_id}-n{event}{annotator}", "annotator_id": annotator}
                    | {"time_s": start_s + (1.0 if annotator == "a" else 1.3), "text": narrate(facts)}
                    | {"start_s": None, "end_s": None, "subject": None, "ego_visible": True, "unsure": False}
                )
            for name, box in ((facts.object, [20.0, 30.0, 40.0, 55.0]), ("left hand", [50.0, 60.0, 70.0, 90.0])):
                boxes.append(
                    {**shared, "box_id": f"{take_id}-b{event}-{name}", "video_id": ego, "frame": 24 * event + 8}
                    | {"time_s": start_s + 1.0, "name": name, "box_xyxy": box}
                )
    whole = {"source": "interlink7m", "path": "a/1.mp4", "media": "video", "start_s": None, "end_s": None}
    whole |= {"view": "exo", "split": "train"}
    captions = [
        {**whole, "caption_id": f"c{number}", "text": "a dog"} | {"path": f"a/{number}.mp4"} for number in range(4)
    ]
    questions = [
        {**whole, "question_id": f"q{number}", "question": "Where?", "answer": "there", "category": None}
        | {"wrong_answers": ["here"], "other_answers": []}
        for number in range(2)
    ]
    said = {"narration_id": "p0", "source": "htm_aa", "take_id": "v", "annotator_id": "", "time_s": 3.0, "text": "mix"}
    said |= {"ego_visible": None, "unsure": False, "split": "train"}
    corpora = {"captions": captions, "questions": questions, "point_narrations": [said]}
    return {"videos": videos, "narrations": narrations, "boxes": boxes, "intervals": intervals, "rejects": []} | corpora


def write_annotations(data_dir: Path, rows: dict) -> Path:
    for name, table in rows.items():
        records.write_table(data_dir / "annotations" / f"{name}.parquet", table, records.SCHEMAS[name])
    return without_corpora(data_dir)


def without_corpora(data_dir: Path) -> Path:
    """Write the tables that the steps `media`, `pretraining` and `funnel` leave where they found nothing."""
    for name in ("videos", "rejects"):
        records.write_table(data_dir / "media" / f"{name}.parquet", [], records.SCHEMAS[name])
    for name in ("samples", "rejects"):
        records.write_table(data_dir / "pretraining" / f"{name}.parquet", [], records.SCHEMAS[name])
    for name in ("kept", "videos", "clips", "rejects"):
        records.write_table(data_dir / "funnel" / f"{name}.parquet", [], records.SCHEMAS[name])
    records.write_table(data_dir / "funnel/table.parquet", tables.stages(0, Counter()), records.FUNNEL)
    return data_dir


@pytest.fixture
def rows() -> dict:
    return annotation_tables()


@pytest.fixture
def annotated(tmp_path, rows) -> Path:
    """A data folder that holds data/annotations."""
    return write_annotations(tmp_path / "data", rows)


@pytest.fixture
def built(annotated, data_params) -> Path:
    """A data folder with every table up to data/dataset."""
    for step in (clips, egoit, build, dataset):
        step.run(data_params, annotated)
    return annotated


def read(data_dir: Path, table: str) -> list[dict]:
    """Rows of a table such as "egoit/samples"."""
    return records.read_table(data_dir / f"{table}.parquet", records.SCHEMAS[table.split("/")[1]]).to_pylist()


def changed(data_params: params.Data, block: str, **values) -> params.Data:
    """The parameters with some values of one block replaced."""
    return data_params.model_copy(update={block: getattr(data_params, block).model_copy(update=values)})
