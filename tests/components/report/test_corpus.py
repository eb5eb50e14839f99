"""The page of the corpus names every published figure beside ours, and loads nothing."""

import json
import sys
from pathlib import Path

import pytest

from components import params
from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.data.statistics.paper_figures import EGOIT, FIGURES, SOURCE
from components.report import __main__ as command
from components.report import corpus
from tests.components.data.conftest import annotation_tables, write_annotations
from tests.components.data.statistics.test_corpus import write_takes
from tests.components.report import made
from tests.components.report.test_page import Elements


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A project folder with what the command reads, and the page it wrote."""
    root = tmp_path_factory.mktemp("corpus")
    settings = Path("params/data.yaml").resolve()
    data_params = params.load(settings, params.Data)
    hostile = {"take-hostile": {"is_dropped": False, "parent_task_name": made.HOSTILE}}
    write_takes(root / data_params.sources.egoexo4d, more=hostile)
    rows = annotation_tables()
    for name, key in (("videos", "video_id"), ("narrations", "narration_id")):
        of_take = [row for row in rows[name] if row["take_id"] == "take-0"]
        rows[name] += [row | {"take_id": "take-hostile", key: f"hostile-{row[key]}"} for row in of_take]
    for step, data_dir in ((clips, write_annotations(root / "data", rows)), (egoit, root / "data")):
        step.run(data_params, data_dir)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["report", "--params", str(settings)])
        command.main()
    return root / "data/statistics"


@pytest.fixture(scope="module")
def elements(folder) -> Elements:
    return Elements((folder / "index.html").read_text())


def test_every_published_figure_stands_on_the_page_with_its_source(elements):
    assert SOURCE in elements.text
    for figure in FIGURES:
        assert figure.label in elements.text
        value = f"{figure.value:,.{figure.digits}f}"
        spread = "" if figure.spread is None else f" ± {figure.spread:.{figure.digits}f}"
        assert value + spread in elements.text, figure


def test_the_mixture_of_egoit_stands_beside_the_published_one(elements):
    for figure in EGOIT:
        assert figure.label in elements.text and f"{figure.value:,}" in elements.text, figure


def test_the_issue_s_figures_are_all_there(elements):
    for text in ("0.68 ± 0.57 s", "82.0 %", "10.98 ± 3.16", "2,925", "15,478", "623.6 h", "261,300", "1,100,000"):
        assert text in elements.text


def test_our_numbers_stand_beside_them(elements, folder):
    found = json.loads((folder / "statistics.json").read_text())
    for row in found["comparison"]:
        assert corpus.text(row, "ours") in elements.text
    assert found["splits"]["train"]["groups"] == 11 and found["splits"]["test"]["groups"] == 2


def test_histograms_are_drawn_to_scale(elements, folder):
    histogram = json.loads((folder / "statistics.json").read_text())["splits"]["train"]["duration_histogram"]
    drawn = corpus.bars(histogram)
    tallest = max(count for *_, count in histogram)
    assert [bar.height for bar in drawn] == [pytest.approx(corpus.HEIGHT * n / tallest) for *_, n in histogram]
    rects = [attributes for tag, attributes in elements.found if tag == "rect"]
    assert [rect["height"] for rect in rects[: len(drawn)]] == [f"{bar.height:.1f}" for bar in drawn]


def test_the_page_loads_nothing_and_shows_hostile_text_as_text(elements):
    assert made.HOSTILE in elements.text
    for tag, attributes in elements.found:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img"), (tag, attributes)
        assert not {"src", "href"} & attributes.keys(), (tag, attributes)


def test_a_missing_release_ends_the_command_with_a_clean_message(folder, tmp_path, monkeypatch, caplog):
    settings = Path("params/data.yaml").resolve()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(folder.parent)
    (folder.parent / "raw/egoexo4d/takes.json").rename(tmp_path / "takes.json")
    monkeypatch.setattr(sys, "argv", ["report", "--params", str(settings)])
    with pytest.raises(SystemExit) as stop:
        command.main()
    (tmp_path / "takes.json").rename(folder.parent / "raw/egoexo4d/takes.json")
    assert stop.value.code == 1
    assert "takes.json is missing" in caplog.text and "Traceback" not in caplog.text
