import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from components import tracking
from components.report import controls, counts, curves, duration, gallery, table
from components.report.stage import Stage


def stage(name: str = "s", *, metrics: dict | None = None, history: dict | None = None, parents: dict | None = None):
    info = tracking.RunInfo("r", name, "FINISHED", 0.0, 1.0, parents or {}, {}, "url")
    return Stage(name, Path("c"), False, info, history or {}, metrics, [], [])


CONTROLS = (("other_frames", 0.2), ("guesser", 0.3))


def entry(**more) -> dict:
    base = {"value": 0.5, "lo": 0.4, "hi": 0.6, "n": 9, "chance": 0.1, "learned": True, "reason": None}
    controls = {
        name: {"value": value, "n": 9, "difference": 0.5 - value, "lo": 0.1, "hi": 0.5} for name, value in CONTROLS
    }
    return base | {"controls": controls, "strongest": "guesser"} | more


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.4, "0 s"), (75, "75 s"), (192, "3 min 12 s"), (3723, "1 h 2 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_columns_keep_the_papers_order_whatever_comes_first():
    made = stage(
        metrics={"qa/accuracy": entry(), "caption_ego/all": entry(), "caption_ego/verb": entry(), "new/x": entry()}
    )
    shown = table.stage_table([made])
    assert [(one.task, one.metrics) for one in shown.tasks] == [
        ("caption_ego", ["verb", "all"]),
        ("qa", ["accuracy"]),
        ("new", ["x"]),
    ]


def test_a_score_that_a_stage_lacks_is_a_gap_and_a_stage_that_was_not_evaluated_no_row():
    stages = [
        stage("a"),
        stage("b", metrics={"qa/accuracy": entry()}),
        stage("c", metrics={"qa/x": entry(), "t/y": entry()}),
    ]
    qa, other = table.stage_table(stages, ("champion, version 3", {"qa/x": entry()})).tasks
    assert [(name, [cell is not None for cell in cells]) for name, cells in qa.rows] == [
        ("b", [True, False]),
        ("c", [False, True]),
        ("champion, version 3", [False, True]),
    ]
    assert [name for name, _ in other.rows] == ["c"], "only who was asked the task"


def test_an_unknown_interval_is_said_and_stays_on_the_strip():
    unknown = entry(lo=None, hi=None, controls={}, strongest=None, learned=None)
    ((_, (cell,)),) = table.stage_table([stage(metrics={"qa/accuracy": unknown})]).tasks[0].rows
    assert (cell.interval, cell.strongest, cell.strongest_at) == ("–", "–", None)
    assert (cell.from_at, cell.to_at) == (0, 100)


def test_the_strongest_control_stands_by_its_name_beside_the_score_and_all_behind_it():
    ((_, (cell,)),) = table.stage_table([stage(metrics={"qa/accuracy": entry()})]).tasks[0].rows
    assert (cell.strongest, cell.strongest_at) == ("guesser 30.0", 30.0)
    assert cell.controls == "other frames 20.0, guesser 30.0"


def test_the_table_of_controls_says_by_how_much_each_score_leads_over_the_strongest():
    metrics = {"qa/accuracy": entry(), "qa/cut": entry(controls={}, strongest=None, chance=None, learned=None)}
    found = controls.control_table([stage(metrics=metrics), stage(metrics=None)])
    assert found.header == ["score", "model", "other frames", "guesser", "chance", "strongest", "lead", "learned"]
    assert [[text for text, _ in row] for row in found.rows] == [
        ["qa/accuracy", "50.0", "20.0", "30.0", "10.0", "guesser", "+20.0 [+10.0, +50.0]", "yes"],
        ["qa/cut", "50.0", "–", "–", "–", "–", "–", "–"],
    ]
    assert controls.control_table([stage(metrics=None)]) is None


def test_a_share_of_cut_answers_is_shown_and_is_nothing_to_learn():
    cut = entry(chance=None, learned=None)
    made = table.stage_table([stage(metrics={"qa/cut": cut, "qa/accuracy": entry()})])
    assert made.tasks[0].metrics == ["accuracy", "cut"] and (made.learned, made.scores) == (1, 1)


def test_a_form_that_is_kept_without_seeing_is_not_called_unlearned():
    kept = entry(value=1.0, lo=1.0, hi=1.0, learned=False)
    metrics = {"ground_spatial/format": kept, "ground_spatial/miou": entry(learned=False)}
    made = table.stage_table([stage(metrics=metrics)])
    assert [cell.learned for cell in made.tasks[0].rows[0][1]] == [False, None] and made.scores == 1
    assert controls.control_table([stage(metrics=metrics)]).rows[1][-1] == ("–", False)


def test_nothing_evaluated_is_an_empty_table():
    assert table.stage_table([stage()]).tasks == []


def test_grpo_without_a_recorded_parent_shows_only_its_end():
    ((_, rows),) = table.grpo_blocks(
        [stage(history={"reward": [(0, 0.1), (1, 0.9)]}, metrics={"ground_spatial/miou": entry()})]
    )
    assert [(row.before, row.after) for row in rows] == [("–", "50.0 [40.0, 60.0]"), ("0.500", "0.500"), ("–", "–")]


def test_a_curve_fills_its_box_and_leaves_out_what_is_not_finite():
    (chart,) = curves.charts({"loss": [(10, 4.0), (20, math.nan), (30, 2.0)]})
    assert chart.points == "0.0,3.0 220.0,61.0"
    assert (chart.low, chart.high, chart.last, chart.last_step, chart.not_finite) == ("2", "4", "2", 30, 1)


def test_a_spike_survives_thinning():
    points = [(step, 0.0) for step in range(5000)]
    points[2501] = (2501, 1.0)
    (chart,) = curves.charts({"loss": points})
    assert len(chart.points.split()) <= 200 and ",3.0" in chart.points


def test_a_flat_or_single_point_is_drawn():
    assert curves.charts({"lr": [(5, 0.1)]})[0].points == "0.0,61.0"


def test_known_curves_come_first_and_all_nan_ones_are_left_out():
    names = [chart.name for chart in curves.charts({"clip_ratio": [(0, 1.0)], "kl": [(0, 0.1)], "x": [(0, math.nan)]})]
    assert names == ["kl", "clip_ratio"]


def test_a_data_folder_without_counts_is_no_error(tmp_path):
    assert counts.read_counts(tmp_path) == [] and counts.read_rejects(tmp_path) == []


def test_the_made_svg_is_well_formed(page):
    text = page.read_text()
    figures = text.split("<figure>")[1:]
    assert figures
    for figure in figures:
        svg = figure[figure.index("<svg") : figure.index("</svg>") + 6]
        assert ElementTree.fromstring(svg).find("polyline").get("points")


def test_a_metric_that_does_not_apply_is_not_shown():
    """A caption has no hand score where the annotator did not name the hand."""
    scored = {"verb": 1.0, "hand": None}
    rows = [
        {"sample_id": "a", "task": "caption_ego", "score_name": k, "score": v, "completion": "C cuts"}
        for k, v in scored.items()
    ]
    stage = Stage("sft", Path(), False, None, {}, None, rows, [])
    (answer,) = gallery._answers("a", "caption_ego", [stage])
    assert answer.scores == [("verb", "1.00")] and answer.good
