"""The graph has every link of a chain once, in its column, and a line where the chain goes on."""

import re

import pandas as pd
import pytest

from components.report import graph, lineage
from components.report.graph import Step, lay_out
from tests import browser

ROWS = pd.DataFrame(
    [
        {
            "score": 0.0,
            "question": f"what does C do {number}?",
            "answer": "a",
            "completion": "b",
            "path": "film.mp4",
            "start_s": 1.0,
            "end_s": 2.5,
            "annotation": ["clips/clips c1: start_s 1.0", f"annotations/narrations n{number}: text <b>"],
        }
        for number in range(3)
    ]
)
IMPACT = {
    "wanted": "kitchen_1",
    "films": [
        {"source": "egoexo4d", "take_name": "kitchen_1", "view": view, "path": f"{view}.mp4"} for view in ("ego", "exo")
    ],
    "samples": [
        {"corpus": "egore", "task": "qa", "view": "ego", "split": split, "samples": 7} for split in ("train", "test")
    ],
    "stages": [
        {
            "checkpoint": "sft-1",
            "stage": "sft",
            "samples": 5,
            "told": "learned from 5 of them",
            "mixture": ["egore/qa/ego"],
            "versions": ["egoflow/1", "egoflow/2"],
        },
        {
            "checkpoint": "grpo-1",
            "stage": "grpo",
            "samples": 0,
            "told": "stands on a stage that did",
            "mixture": ["egore/qa/ego"],
            "versions": [],
        },
    ],
}


def columns(made: graph.Graph) -> list[int]:
    return [sum(box.x == x for box in made.boxes) for _, x in made.columns]


def test_a_score_goes_back_to_its_rows_of_annotation():
    made = lineage.of_metric("qa/accuracy", ROWS)
    assert columns(made) == [1, 3, 1, 1, 3], "clip and film are shared"
    assert len(made.lines) == 3 + 3 + 1 + 3


def test_an_item_without_a_clip_goes_on_to_its_film():
    joined = ROWS.head(1).assign(annotation=[["joined events e1"]])
    made = lineage.of_metric("qa/accuracy", joined)
    assert columns(made) == [1, 1, 0, 1, 1] and len(made.lines) == 3


def test_a_film_goes_on_to_the_versions_that_learned_from_it():
    made = lineage.of_impact(IMPACT)
    assert columns(made) == [2, 2, 2, 2]
    assert len(made.lines) == 4 + 1 + 2, "each film to both samples, those of training to sft, sft to both versions"
    assert lineage.told(IMPACT).endswith("train again: sft, grpo.")
    assert lineage.told(IMPACT | {"stages": []}) == "No finished stage has learned from it."


def test_boxes_of_a_column_do_not_overlap_and_long_text_is_whole_for_a_pointer():
    made = lay_out(["a", "b"], [[Step(0, "x"), Step(1, f"{number} " + "word " * 90)] for number in range(3)])
    of_b = [box for box in made.boxes if box.x]
    assert all(one.y + one.height < other.y for one, other in zip(of_b, of_b[1:], strict=False))
    assert all(len(box.lines) == 4 and box.lines[-1].endswith(" …") and box.text.count("word") == 90 for box in of_b)
    assert made.height >= of_b[-1].y + of_b[-1].height


@pytest.fixture
def written(tmp_path):
    return lineage.write(tmp_path / "deep" / "lineage.html", why=("qa/accuracy", ROWS), impact=IMPACT)


def test_the_page_has_both_graphs_and_shows_text_as_text(written):
    text = written.read_text()
    assert "What qa/accuracy stands on" in text and "What kitchen_1 is in" in text and text.count("<svg") == 2
    assert "text &lt;b&gt;" in text and not re.search(r"<script|<b>|https?://", text)


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium on this machine; the page is checked as text above")
def test_text_stays_in_its_box_and_the_page_in_the_window(written, tmp_path):
    with browser.tab(tmp_path / "profile") as tab:
        tab.open(written.as_uri(), width=390)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        widths = tab.evaluate("[...document.querySelectorAll('g text')].map(text => text.getBBox().width)")
        assert len(widths) > 9 and max(widths) <= graph.BOX - graph.PAD
