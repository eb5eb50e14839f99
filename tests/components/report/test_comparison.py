"""The page of a comparison holds every number, escapes what it shows, and draws who beats whom."""

import json
import math
import re
from dataclasses import replace

import pytest

from components.evaluation.paired_comparison import Row
from components.metrics.statistics import Difference, Estimate
from components.params.comparison import Comparison
from components.report import comparison as page
from components.report import frontier

# as the flow gives it to the page: with each key of the schema
COMPARISON = Comparison.model_validate(
    {
        "name": "boxes <and> questions",
        "recipe": "r.yaml",
        "at": "sft",
        "against": "start",
        "reseed": ["sft"],
        "changes": {"sft.rule": "<all>"},
        "measures": {"boxes": ["a/b"], "QA": ["c/d"]},
        "frontier": {"x": "boxes", "y": "QA"},
        "arms": {
            "start": {},
            "low": {"changes": {"sft.steps": 3}, "series": "SFT"},
            "high": {"changes": {"sft.lora": None}, "series": "SFT"},
            "poor": {"series": "SFT"},
        },
    }
).model_dump(mode="json")
MEANS = {"start": (0.30, 0.60), "low": (0.40, 0.58), "high": (0.50, 0.40), "poor": (0.35, 0.39)}


def row(arm: str, measure: str, mean: float, *, spread: float = 0.05) -> Row:
    difference = None if arm == "start" else Difference(mean - 0.3, mean - 0.35, mean - 0.25, 40, 0.02, 7, 0.01, 0.02)
    told = "holds" if (arm, measure) == ("low", "boxes") else ""
    value = Estimate(mean, mean - spread, mean + spread, 40)
    seeds, p_holm = (mean - 0.01, mean + 0.01), (0.0 if arm == "poor" else 0.0123) if difference else None
    return Row(arm, measure, (0, 1), seeds, value, "mean_frame", 0.125, difference, p_holm, 2.5 if told else None, told)


ROWS = [row(arm, name, mean) for arm, both in MEANS.items() for name, mean in zip(("boxes", "QA"), both, strict=True)]


@pytest.fixture
def written(tmp_path):
    finished = [page.Finished("start", 0, 61.2, [("sft", "ran", "sft-012"), ("init", "reused", "init-3")])]
    failed = {("low", 1): "no <b>luck</b>"}
    page.write(
        tmp_path, COMPARISON, ROWS, finished, failed, of=8, run_id="0f", recorded_in="c0", stages_s=60.0, made_of={}
    )
    return tmp_path


def test_the_page_shows_every_arm_and_escapes_words(written):
    text = (written / "index.html").read_text()
    for words in (
        "boxes &lt;and&gt; questions", "1 of 8, 1 failed", "no &lt;b&gt;luck&lt;/b&gt;", "sft.lora left out",
        "sft.steps: 3", "+10.0 [+5.0, +15.0], p 0.012", "published +2.5: holds", "sft-012, init-3 (reused)",
        "by seed: 29.0 31.0", "p below 0.001", "mean frame 12.5", "changed in all</dt><dd>sft.rule: &lt;all&gt;</dd>",
    ):  # fmt: skip
        assert words in text, words
    assert "<script" not in text and not re.search(r'(src|href)="http', text)
    assert {path.name for path in page.files(written)} == {path.name for path in written.iterdir()}


def test_the_table_of_a_note_has_a_line_for_each_arm(written):
    lines = (written / "table.md").read_text().splitlines()
    assert lines[:2] == ["| arm | boxes | QA |", "|---|---|---|"]
    assert lines[2] == "| start | 30.0 / mean frame 12.5 [25.0, 35.0] | 60.0 / mean frame 12.5 [55.0, 65.0] |"
    assert (
        lines[3].startswith("| low | 40.0 / mean frame 12.5, +10.0 [+5.0, +15.0] p 0.012 *published +2.5: holds* |")
        and len(lines) == 6
        and "p below 0.001" in lines[5]
    )


def test_an_arm_that_lacks_a_seed_says_so_and_beats_nobody(tmp_path):
    rows = [replace(one, seeds=(1,)) if one.arm == "high" else one for one in ROWS]
    page.write(tmp_path, COMPARISON, rows, [], {}, of=8, run_id="0f", recorded_in="c0", stages_s=60.0, made_of={})
    assert (tmp_path / "index.html").read_text().count("<small>only seed 1</small>") == 1
    assert (tmp_path / "table.md").read_text().splitlines()[4].startswith("| high (only seed 1) | 50.0")
    drawn = json.loads((tmp_path / "table.json").read_text())["frontier"]
    assert {point["arm"]: point["beaten_by"] for point in drawn["points"]} == {
        "start": [], "low": [], "high": [], "poor": ["low"]
    }  # fmt: skip


def test_the_numbers_are_json_even_where_an_interval_is_open(tmp_path):
    page.write(tmp_path, COMPARISON | {"frontier": None}, [row("start", "boxes", 0.3, spread=math.inf)] + ROWS[1:], [],
               {}, of=1, run_id="0f", recorded_in="c0", stages_s=60.0, made_of={})  # fmt: skip
    read = json.loads((tmp_path / "table.json").read_text(), parse_constant=pytest.fail)
    assert read["rows"][0]["value"] == {"value": 0.3, "lo": None, "hi": None, "n": 40}
    assert read["frontier"] is None and "[−∞, ∞]" in (tmp_path / "index.html").read_text()


def test_nothing_is_finished_yet(tmp_path):
    failed = {("start", 0): "no"}
    page.write(tmp_path, COMPARISON | {"changes": {}}, [], [], failed,
               of=8, run_id="0f", recorded_in="c0", stages_s=60.0, made_of={})  # fmt: skip
    text = (tmp_path / "index.html").read_text()
    assert "0 of 8, 1 failed" in text and "changed in all" not in text


def test_the_frontier_joins_what_nobody_of_its_series_beats():
    table = {arm: {r.measure: r for r in ROWS if r.arm == arm} for arm in MEANS}
    drawn = frontier.draw(COMPARISON, table)
    points = {point.arm: point for point in drawn.points}
    assert {arm: point.beaten_by for arm, point in points.items()} == {
        "start": [], "low": [], "high": [], "poor": ["low", "high"]
    }  # fmt: skip
    lines = dict(drawn.lines)
    assert list(lines) == ["start", "SFT"]
    assert lines["SFT"] == " ".join(f"{at[0]},{at[1]}" for at in (points["low"].at, points["high"].at))
    # right is more of the first, up is more of the second, and all stay on the picture
    assert points["high"].at[0] > points["low"].at[0] > points["start"].at[0]
    assert points["start"].at[1] < points["low"].at[1] < points["high"].at[1]
    for point in points.values():
        assert frontier.LEFT <= point.across[0] <= point.at[0] <= point.across[1] <= frontier.WIDTH - frontier.RIGHT
        assert frontier.TOP <= point.along[1] <= point.at[1] <= point.along[0] <= frontier.HEIGHT - frontier.BOTTOM
