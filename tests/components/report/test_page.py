import re
from html.parser import HTMLParser

import pytest

from tests import browser
from tests.browser import CHROMIUM
from tests.components.report import made


class Elements(HTMLParser):
    """Every tag with its attributes, and the text outside of style."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data + " "


@pytest.fixture(scope="session")
def elements(page) -> Elements:
    return Elements(page.read_text())


def test_the_page_lies_in_the_output_folder(page):
    assert page.name == "index.html" and page.parent.parent.name == "reports"


def test_the_page_loads_nothing_from_outside(elements, page):
    for tag, attributes in elements.found:
        assert tag not in ("script", "link", "iframe", "object", "embed"), (tag, attributes)
        for name in ("src", "srcset", "data", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    style = re.search(r"<style>(.*?)</style>", page.read_text(), re.DOTALL).group(1)
    assert "url(" not in style and "@import" not in style


def test_hostile_text_is_shown_as_text(elements):
    assert made.HOSTILE in elements.text
    assert not [attributes for tag, attributes in elements.found if "evil" in str(attributes)]


def test_the_header_says_what_was_run(elements):
    for words in ("miniature", "stages.stage3.max_steps=8", "9f2c" * 16, "c0ffee" * 6 + "abcd", "9, 3 reused"):
        assert words in elements.text


def test_every_link_leads_to_a_run_in_mlflow_or_to_a_page_that_is_there(elements, page):
    links = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    lineage, rollouts = (link for link in links if not link.startswith("http"))
    assert (page.parent / rollouts).read_text() == "completions"
    assert "What ground_spatial/miou stands on" in (page.parent / lineage).read_text()
    assert len(links) == 3 + len(made.STAGES)
    runs = r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/[0-9a-f]{32}"
    assert all(re.fullmatch(runs, link) for link in links if link.startswith("http"))


def test_the_decision_stands_first_with_the_champion_and_the_guardrails(elements):
    text = " ".join(elements.text.split())
    assert text.index("Version 4 is the champion now: ground_spatial/miou is better than the champion's.") < text.index(
        "Scores after every stage"
    )
    assert "metric this version champion, version 3 difference 95 % interval one-sided p p, Holm rule" in text
    assert "ground_spatial/miou 78.0 69.0 +9.0 [+2.0, +16.0] 0.004 0.008 must be better" in text
    assert "+1.0 [−1.0, +3.0] 0.200 0.200 may not fall by 2.0" in text
    assert text.count("champion, version 3") == 1 + len(made.COLUMNS) + 2, "a row in every task, pairs of views too"


def test_a_reused_stage_of_other_code_says_which(elements):
    text = " ".join(elements.text.split())
    assert f"{made.STAGES[0]} reused trained by code of feedfeedfeed" in text
    assert text.count("trained by code of") == 1


def test_data_steps_have_their_times(elements):
    assert "clips ran 75 s frames reused 0 s" in " ".join(elements.text.split())


def test_a_question_stands_with_its_options_and_with_answers_that_saw_nothing(page):
    article = next(part for part in page.read_text().split("<article>") if "what does C hold?" in part)
    assert '<li class="truth">the red cup</li><li>the blue pan</li>' in article
    assert '<dt class="control">grey</dt><dd class="control">ANSWER OF A CONTROL</dd>' in article


def test_the_gradients_of_muon_are_explained(elements):
    text = " ".join(elements.text.split())
    assert "language · Muon" in text and "grpo · Muon" not in text
    assert "it compares with nothing but its own curve" in text


def test_unlearned_scores_are_marked_and_counted(elements, page):
    # of the champion too, which stands behind the stages
    metrics = [made._metrics(number - 1) for number in (*range(2, len(made.STAGES)), 7)]
    judged = [(name, entry) for stage in metrics for name, entry in stage.items() if not name.endswith("/format")]
    unlearned = sum(not entry["learned"] for _, entry in judged)
    assert page.read_text().count('<i class="flag">not learned</i>') == unlearned + 1  # and the legend
    assert "16 of 16" in elements.text


def test_the_gallery_shows_model_answers(elements):
    assert "C picks up the red cup with the left hand." in elements.text
    assert sum(tag == "article" for tag, _ in elements.found) == 15 + 2 * 3  # and pairs of views


def test_boxes_are_drawn_where_they_are(elements):
    boxes = [attributes for tag, attributes in elements.found if tag == "rect"]
    assert {(box["x"], box["y"], box["width"], box["height"]) for box in boxes if box["class"] == "truth"} == {
        ("20.0", "24.0", "32.0", "36.0")
    }
    assert {(box["x"], box["width"]) for box in boxes if box["class"] == "predicted"} == {("24.0", "24.0")}


def test_intervals_are_drawn_where_they_are(page):
    # 3 to 6 s and 4 to 7 s of 16 s
    assert 'class="truth" style="left:18.8%;width:18.8%"' in page.read_text()
    assert 'class="predicted" style="left:25.0%;width:18.8%"' in page.read_text()


def test_counts_and_rejects_stand_in_the_page(elements):
    text = " ".join(elements.text.split())
    for words in (
        "egore qa train 2,301",
        "train · takes 384",
        "clips · ego 10,240",
        "alpha_s 1.921",
        "clips fewer than two frames 3",
        "clips unsure 1",
        "Quality of the questions",
    ):
        assert words in text
    assert "77,777" not in text  # rejects are counted once, from their tables


def test_grpo_is_contrasted_with_its_parent(elements):
    text = " ".join(elements.text.split())
    assert "grpo: step 0 against the end" in text
    assert "greedy spatial mIoU 69.0 [64.0, 74.0] 78.0 [73.0, 83.0] step 0 is sft" in text


# every element with text of its own that is not wholly inside what a reader can see or scroll to
CUT = """
[...document.querySelectorAll("body *")].filter((element) => {
  const own = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  if (!own.length || element.closest("details:not([open]) > :not(summary)")) return false;
  const range = document.createRange();
  range.setStartBefore(own[0]);
  range.setEndAfter(own.at(-1));
  const { left, right } = range.getBoundingClientRect();
  for (let box = element; box !== document.body; box = box.parentElement) {
    const { overflowX } = getComputedStyle(box), edge = box.getBoundingClientRect();
    if (overflowX === "auto" || overflowX === "scroll") return false;
    if (overflowX !== "visible" && (left < edge.left - 1 || right > edge.right + 1)) return true;
  }
  return left < -1 || right > document.documentElement.clientWidth + 1;
}).map((element) => element.outerHTML.slice(0, 200))
"""
# tables that must be scrolled sideways, whose numbers do not show at first
SCROLLED = """
[...document.querySelectorAll(".scroll, .tall")].filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.outerHTML.slice(0, 200))
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; the page is checked as text above")
def test_a_real_browser_cuts_nothing_and_asks_nothing_of_the_network(page, tmp_path):
    with browser.tab(tmp_path / "profile") as tab:
        tab.open(page.as_uri())
        assert tab.evaluate("document.title") == "Egoflow · miniature"
        assert (
            tab.evaluate("performance.getEntriesByType('resource').filter(each => !each.name.startsWith('data:'))")
            == []
        )
        for width in (1400, 390):
            tab.resize(width)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate(CUT) == []
            assert tab.evaluate(SCROLLED) == []
