"""A table that is broken in one way is stopped by the expectation made for it, by name, with an example."""

import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components import records
from components.data import dataset
from components.data.clips import step as clips
from components.data.contracts import large_tables, sample, validate
from components.data.contracts.tables import contracts
from components.data.egoit import step as egoit
from components.data.egore import step as build
from tests.components.data.conftest import annotation_tables, write_annotations

IN_SET, GREATER = "expect_column_values_to_be_in_set", "expect_column_pair_values_a_to_be_greater_than_b"
MEMBER = "the target holds the member of its kind and no other"
BOX, SPAN = "the box is in the frame and can be read", "the span is in the window and can be read"
SPAN_ORDER = "the span is the whole medium, or begins before its end"
BETWEEN, UNIQUE = "expect_column_values_to_be_between", "expect_column_values_to_be_unique"


def loaded(data_dir, step: str) -> dict[str, pa.Table]:
    """The tables that are judged, those of CORPORA in memory, so that a test can break them."""
    tables = large_tables.load(step, data_dir)
    return {path: pq.read_table(table) if isinstance(table, Path) else table for path, table in tables.items()}


def broken(tables: dict[str, pa.Table], path: str, change) -> dict[str, pa.Table]:
    rows = tables[path].to_pylist()
    change(rows)
    return tables | {path: pa.Table.from_pylist(rows, records.SCHEMAS[path.split("/")[1]])}


def last(rows: list[dict], kind: str) -> dict:
    return [row for row in rows if row["target"]["kind"] == kind][-1]


def paired(rows: list[dict]) -> dict:
    return [row for row in rows if row["paired"]][-1]


@pytest.fixture(scope="module")
def sound(tmp_path_factory, data_params) -> Path:
    """A data folder with every table up to data/dataset; nobody may change it."""
    data_dir = write_annotations(tmp_path_factory.mktemp("sound") / "data", annotation_tables())
    for step in (clips, egoit, build, dataset):
        step.run(data_params, data_dir)
    return data_dir


def test_sound_tables_pass_and_share_one_site(sound, tmp_path):
    steps = ["annotations", "dataset"]
    for step in [*steps, "annotations"]:  # a second judgement of a step replaces the first
        index = validate.check(step, loaded(sound, step), docs_dir=tmp_path / "gx")
    assert {folder.name for folder in (index.parent / "validations").iterdir()} == set(steps)
    assert len(list((index.parent / "validations/annotations/videos").rglob("*.html"))) == 1
    assert all(f"{step}.splits" in index.read_text() for step in steps)
    # the site needs no network: what a browser would fetch lies in it, and all results stand in the index
    for page in index.parent.rglob("*.html"):
        html = page.read_text()
        fetched = re.findall(r'<(?:script|img|link)\b[^>]*\b(?:src|href)="([^"]*)"', html)
        assert "<style data-offline>" in html and not [url for url in fetched if url.startswith("http")], page
    linked = re.findall(r'<a href="(validations/[^"]+)"', index.read_text())
    assert len(linked) == len(list((index.parent / "validations").rglob("*.html")))
    assert all((index.parent / page).is_file() for page in linked) and "<td>good</td>" in index.read_text()


def complaint(step: str, data_dir: Path, docs_dir: Path, changes: list) -> str:
    """Break one row after another, each in its own way, and give what the check says of all of them."""
    tables = loaded(data_dir, step)
    for table, change, *_ in changes:
        tables = broken(tables, f"{step}/{table}", change)
    with pytest.raises(ValueError, match="expectations failed") as error:
        validate.check(step, tables, docs_dir=docs_dir)
    return str(error.value)


ANNOTATIONS = [  # table, what breaks, expectation, column, example
    ("videos", lambda rows: rows.append(rows[0]), UNIQUE, "video_id", "take-0-aria01"),
    ("videos", lambda rows: rows[1].update(fps=0.0), BETWEEN, "fps", "take-0-cam01"),
    ("narrations", lambda rows: rows[0].update(take_id="unknown"), IN_SET, "the take has a video", "take-0-n0a"),
    ("narrations", lambda rows: rows[1].update(time_s=-0.5), BETWEEN, "time_s", "take-0-n1a"),
    ("boxes", lambda rows: rows[0].update(box_xyxy=[0.0, 0.0, 640.0, 48.0]), BETWEEN, "x2", "take-0-b0"),
    ("boxes", lambda rows: rows[2].update(box_xyxy=[50.0, 0.0, 40.0, 48.0]), GREATER, "x2, x1", "take-0-b1"),
    ("intervals", lambda rows: rows[0].update(start_s=3.0, end_s=2.0), GREATER, "end_s, start_s", "take-0-i0"),
    ("intervals", lambda rows: rows[1].update(end_s=99.0), IN_SET, "ends inside its video", "take-0-i1"),
    ("intervals", lambda rows: rows[2].update(video_id="unknown"), IN_SET, "the video is known", "take-0-i2"),
    ("intervals", lambda rows: rows[3].update(split="test"), BETWEEN, "splits", "take-0"),
    ("captions", lambda rows: rows.append(rows[0]), UNIQUE, "caption_id", "c0"),
    ("captions", lambda rows: rows[1].update(text=" "), IN_SET, "the text says something", "c1"),
    ("captions", lambda rows: rows[2].update(path="../a.mp4"), IN_SET, "the path stays in its root", "c2"),
    ("captions", lambda rows: rows[3].update(start_s=3.0), IN_SET, SPAN_ORDER, "c3"),
    ("captions", lambda rows: rows[3].update(media="sound"), IN_SET, "media", "c3"),
    ("questions", lambda rows: rows[0].update(start_s=3.0, end_s=2.0), IN_SET, SPAN_ORDER, "q0"),
    ("questions", lambda rows: rows[1].update(answer=""), IN_SET, "the answer says something", "q1"),
    ("questions", lambda rows: rows[0].update(wrong_answers=["there"]), IN_SET, "no wrong answer is right", "q0"),
    ("point_narrations", lambda rows: rows[0].update(time_s=-1.0), BETWEEN, "time_s", "p0"),
]


@pytest.fixture(scope="module")
def annotations_complaint(sound, tmp_path_factory) -> str:
    return complaint("annotations", sound, tmp_path_factory.mktemp("gx"), ANNOTATIONS)


@pytest.mark.parametrize(("table", "_change", "expectation", "column", "example"), ANNOTATIONS)
def test_a_broken_annotation_table_is_stopped(annotations_complaint, table, _change, expectation, column, example):
    line = re.search(
        rf"annotations\.({table}|splits): {expectation}\({re.escape(column)}\) failed on ([12]) of (.*)",
        annotations_complaint,
    )
    assert line
    assert example in line.group(3)


OPTIONS = "the options differ and the answer is at its index"
NO_FILE = "the question names no file"
SAMPLES = [  # table, what breaks, expectation, column
    ("samples", lambda rows: rows.append(rows[0]), UNIQUE, "sample_id"),
    ("samples", lambda rows: rows[1].update(question="what is in takes/a/cam01.mp4?"), IN_SET, NO_FILE),
    ("samples", lambda rows: rows[2].update(parents=["unknown"]), IN_SET, "every parent is known"),
    ("samples", lambda rows: rows[3].update(media=[]), IN_SET, "has media"),
    ("samples", lambda rows: rows[4]["media"][0].update(video_id="unknown"), IN_SET, "media: the video is known"),
    ("samples", lambda rows: rows[5]["media"][0].update(end_s=0.0), IN_SET, "media: starts before its end"),
    ("samples", lambda rows: paired(rows)["paired"][0].update(end_s=9.0), IN_SET, "paired is the same moment in exo"),
    ("samples", lambda rows: rows[6]["target"].update(choices=["a"]), IN_SET, MEMBER),
    ("samples", lambda rows: last(rows, "choice")["target"].update(answer_index=9), IN_SET, OPTIONS),
    ("samples", lambda rows: last(rows, "box")["target"].update(box_xyxy=[1.0, 2.0, 3.0]), IN_SET, BOX),
    ("samples", lambda rows: last(rows, "span")["target"]["span"].update(end_s=17.0), IN_SET, SPAN),
    ("samples", lambda rows: rows[7].update(split="test"), BETWEEN, "splits"),
]


@pytest.fixture(scope="module")
def samples_complaint(sound, tmp_path_factory) -> str:
    return complaint("dataset", sound, tmp_path_factory.mktemp("gx"), SAMPLES)


@pytest.mark.parametrize(("_table", "_change", "expectation", "column"), SAMPLES)
def test_a_broken_sample_table_is_stopped(samples_complaint, _table, _change, expectation, column):
    assert re.search(
        rf"dataset\.\w+: {expectation}\({re.escape(column)}\) failed on [12] of \d+ rows", samples_complaint
    )


def test_a_complaint_says_where_to_look(annotations_complaint):
    assert "data_docs/local_site/index.html" in annotations_complaint
    assert "components/data/contracts" in annotations_complaint


def judged(data_dir: Path, change) -> pd.DataFrame:
    """The flat sample table after a change of its rows."""
    tables = broken(loaded(data_dir, "dataset"), "dataset/samples", change)
    return contracts("dataset", tables)["samples"].frame


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[0].update(parents=[]), "every parent is known"),
        (lambda rows: last(rows, "choice").update(answer="flies"), OPTIONS),
        (lambda rows: last(rows, "choice")["target"].update(choices=["a", "a"]), OPTIONS),
        (lambda rows: last(rows, "box").update(answer="on the left"), BOX),
        (lambda rows: last(rows, "span").update(answer="(3, 2)"), SPAN),
        (lambda rows: last(rows, "text")["target"].update(kind="sound"), MEMBER),
    ],
)
def test_each_fault_of_a_target_is_seen(sound, change, sentence):
    assert (~judged(sound, change)[sentence]).sum() == 1


def test_one_more_false_option_is_no_fault(sound):
    frame = judged(sound, lambda rows: last(rows, "choice")["target"]["choices"].append("unheard-of"))
    assert frame[OPTIONS].all()


def test_a_wrong_schema_is_told_first(annotated):
    tables = loaded(annotated, "annotations")
    boxes = tables["annotations/boxes"]
    tables["annotations/boxes"] = boxes.drop_columns("name").set_column(4, "frame", boxes["time_s"])
    with pytest.raises(ValueError, match="expect_column_pair_values_to_be_equal") as error:
        validate.check("annotations", tables, docs_dir=annotated / "gx")
    for said in ("boxes.name", "missing", "boxes.frame", "double", "int64"):
        assert said in str(error.value)


def test_an_answer_that_always_stands_first_is_found(built):
    def sort(rows):
        for row in rows:
            if row["target"]["kind"] == "choice":
                row["target"]["choices"].sort(key=lambda option: option != row["answer"])
                row["target"]["answer_index"] = 0

    tables = broken(loaded(built, "egoit"), "egoit/samples", sort)
    with pytest.raises(ValueError, match=r"egoit.answer_positions.*between\(sigmas\).*'0 of 4'"):
        validate.check("egoit", tables, docs_dir=built / "gx")


def test_answer_positions_are_counted_by_number_of_options(built):
    frame, _ = sample.answer_positions(loaded(built, "egore")["egore/samples"])
    assert sorted(frame["position"]) == ["0 of 2", "0 of 4", "1 of 2", "1 of 4", "2 of 4", "3 of 4"]
    assert frame.groupby("options")["share"].sum().round(9).tolist() == [1.0, 1.0]


def test_no_choice_samples_no_positions(built):
    tables = loaded(built, "egoit")
    captions = tables["egoit/samples"].filter(pc.equal(tables["egoit/samples"]["task"], "caption"))
    frame, _ = sample.answer_positions(captions)
    assert len(frame) == 0


def test_analytics_are_off(annotated):
    validate.check("annotations", loaded(annotated, "annotations"), docs_dir=annotated / "gx")
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
