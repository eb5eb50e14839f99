"""Both views of a pair stand side by side, with answers, true spans and what became of the pair."""

import re
from pathlib import Path

import pytest

from components.records import SAMPLE, write_table
from components.report.pairs import pair_tasks
from components.report.stage import Stage
from tests.components.report import made


def stage(name: str, metrics: dict | None = None, predictions: list[dict] = ()) -> Stage:
    return Stage(name, Path(), False, None, {}, metrics, [*predictions], [])


@pytest.fixture
def laid_out(tmp_path):
    write_table(tmp_path / "samples.parquet", made.samples() + made.pairs(), SAMPLE)
    asked = stage("grpo", made._pair_metrics(), made._pair_predictions(made.pairs()))
    stages = [stage("stage1", {}), asked]
    return pair_tasks(stages, samples=tmp_path / "samples.parquet", frames=made.frames)


def test_pairs_have_frames_answers_and_spans_of_both_views(laid_out):
    verify, ground = laid_out
    assert (verify.task, ground.task) == ("con_verify", "con_ground") and len(ground.pairs) == 3
    for number, pair in enumerate(ground.pairs):
        assert [len(view.frames) for view in (pair.ego, pair.exo)] == [8, 8]
        assert pair.ego.sample_id != pair.exo.sample_id and pair.ego.frames[0] != pair.exo.frames[0]
        truths = [next(bar for bar in view.bars if bar.truth) for view in (pair.ego, pair.exo)]
        assert truths[0] == truths[1] and truths[0].left == round((2 + number) / 16 * 100, 1)
    assert [[answer.good for answer in view.answers] for view in (ground.pairs[1].ego, ground.pairs[1].exo)] == [
        [True],
        [False],
    ]


def test_what_became_of_each_pair_is_said(laid_out):
    verify, _ = laid_out
    assert [pair.verdicts for pair in verify.pairs] == [
        [("grpo", "right in both, the same answer", True)],
        [("grpo", "right in ego alone, different answers", False)],
        [("grpo", "right in exo alone, different answers", False)],
    ]


def test_a_row_says_what_independent_answers_would_score(laid_out):
    table = laid_out[0].table
    row = dict(zip(table.header, (text for text, _ in table.rows[0]), strict=True))
    assert row == {
        "stage": "grpo", "pairs": "4", "ego": "50.0", "exo": "50.0", "both": "25.0", "95 % interval": "[5.0, 45.0]",
        "ego × exo": "25.0", "constant": "50.0", "coin": "25.0", "strongest control": "guesser 50.0",
        "same answer": "50.0", "yes": "60.0",
    }  # fmt: skip


def test_stages_that_were_asked_no_pairs_have_no_part(tmp_path):
    assert pair_tasks([stage("stage1", {})], samples=tmp_path / "none.parquet", frames=made.frames) == []


def test_the_page_shows_the_pairs_once_and_not_among_single_samples(page):
    text = page.read_text()
    part = text[text.index("The same moment in both views") : text.index("Held-out samples")]
    assert part.count("<article>") == 6 and part.count("<h4>ego</h4>") == part.count("<h4>exo</h4>") == 6
    assert (
        len(re.findall(r'class="truth" style="left:12.5%;width:25.0%"', part)) == 2
    )  # 2 to 6 s of 16 s, in both views
    assert "con_" not in text[text.index("Held-out samples") :]
