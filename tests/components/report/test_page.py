import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.components.report import made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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
    for words in ("miniature", "9f2c" * 16, "c0ffee" * 6 + "abcd", "9, 3 reused"):
        assert words in elements.text


def test_every_link_leads_to_a_run_in_mlflow(elements):
    links = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    assert len(links) == 1 + len(made.STAGES)
    assert all(re.fullmatch(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/[0-9a-f]{32}", link) for link in links)


def test_unlearned_scores_are_marked_and_counted(elements, page):
    metrics = [made._metrics(number - 1) for number in range(2, len(made.STAGES))]
    unlearned = sum(not entry["learned"] for stage in metrics for entry in stage.values())
    assert page.read_text().count('<i class="flag">not learned</i>') == unlearned + 1  # and the legend
    assert "16 of 18" in elements.text


def test_the_gallery_shows_model_answers_and_no_control(elements):
    assert "C picks up the red cup with the left hand." in elements.text
    assert "ANSWER OF A CONTROL" not in elements.text
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


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; the page is checked as text above")
def test_a_real_browser_shows_it_and_asks_nothing_of_the_network(page, tmp_path):
    log = tmp_path / "net.json"
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    shown = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path / 'profile'}",
         f"--log-net-log={log}", "--window-size=1600,1200", f"--screenshot={tmp_path / 'page.png'}", "--dump-dom",
         page.as_uri()],
        capture_output=True, text=True, timeout=480, check=True,
    ).stdout  # fmt: skip
    assert "<title>Egoflow · miniature</title>" in shown
    assert "Scores after every stage" in shown and "not learned" in shown
    assert Path(tmp_path / "page.png").stat().st_size > 50_000  # a blank page of this size has about 10 kB
    asked = set(re.findall(r"https?://[^\"'\\ ]+", json.dumps(json.loads(log.read_text())["events"])))
    assert not {url for url in asked if "evil.example" in url or "127.0.0.1:5000" in url}, asked
