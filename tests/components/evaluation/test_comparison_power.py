"""What a comparison is said to find comes from the samples that are asked and from how earlier answers differ."""

import os
from pathlib import Path

import numpy as np
import pytest

from components import params, records
from components.evaluation.comparison_power import ASSUMED, foresee
from components.metrics import power
from components.params.comparison import Arm, Comparison

EVALUATION = params.load(Path("params/eval.yaml"), params.Eval)
LIMIT = EVALUATION.limits["qa"]  # there are more
MEASURES = {"QA": ("qa/accuracy",), "boxes": ("ground_spatial/miou",), "both": ("qa/accuracy", "ground_spatial/miou")}
COMPARISON = Comparison(
    name="c", recipe="r.yaml", at="last", against="full", reseed=(), measures=MEASURES, arms={"full": {}, "other": {}}
)


@pytest.fixture
def data(tmp_path):
    rows = [
        {
            "sample_id": f"{task}{n}", "take_id": f"t{n % 12}", "task": task, "view": "ego", "split": split,
            "paired": [], "question_type": "object", "target": {"kind": "choice"},
        }
        for task, count in (("qa", LIMIT + 60), ("ground_spatial", 120))
        for split in ("test", "train") for n in range(count)
    ]  # fmt: skip
    records.write_table(tmp_path / "dataset/samples.parquet", rows, records.SAMPLE)
    return tmp_path


def evaluated(checkpoints, name: str, scores: np.ndarray, *, newest: int = 0):
    rows = [
        {"sample_id": f"s{n}", "take_id": f"t{n % 12}", "task": "qa", "score_name": "accuracy", "condition": "model"}
        | {"score": score, "view": "ego", "completion": ""}
        for n, score in enumerate(scores.tolist())
    ]
    path = checkpoints / name / "evaluation/predictions.parquet"
    records.write_table(path, rows, records.PREDICTION)
    os.utime(path, (newest, newest))


def found(data, seeds: int = 3):
    [qa, boxes, both] = foresee(COMPARISON, seeds=seeds, data=data, checkpoints=data / "c", evaluation=EVALUATION)
    return qa, boxes, both


def test_the_samples_are_those_that_will_be_asked(data):
    qa, boxes, both = found(data)
    assert (qa.samples, boxes.samples, both.samples) == (LIMIT, 120, LIMIT + 120)
    assert {one.takes for one in (qa, boxes, both)} == {12} and not any(one.is_measured for one in (qa, boxes, both))
    errors = power.planned_errors(ASSUMED, samples=LIMIT, takes=12, seeds=3)
    level = 1 - 0.05 / 2 / 3  # two-sided, and the first step of Holm over three measures
    assert qa.detectable == pytest.approx(max(power.detectable(*each, level=level) for each in errors))
    assert qa.power == pytest.approx(min(power.power(0.02, *each, level=level) for each in errors))
    assert found(data, seeds=6)[0].detectable < qa.detectable
    assert found(data, seeds=1)[2].detectable < found(data, seeds=1)[1].detectable
    claims = COMPARISON.arms | {"other": Arm(published={"QA": 1.0})}
    [alone, *_] = foresee(
        COMPARISON.model_copy(update={"arms": claims}), seeds=3, data=data, checkpoints=data, evaluation=EVALUATION
    )
    of_its_own = max(power.detectable(*each, level=0.975) for each in errors)
    assert alone.detectable == pytest.approx(of_its_own), "a family of its own"


def test_the_spread_is_that_of_the_two_newest_checkpoints_of_the_stage(data):
    rng = np.random.default_rng(0)
    right = (rng.random(240) < 0.5).astype(float)
    few = np.where(rng.random(240) < 0.05, 1 - right, right)
    evaluated(data / "c", "last-old", 1 - right, newest=1)
    evaluated(data / "c", "last-a", right, newest=2)
    evaluated(data / "c", "first-b", 1 - right, newest=9)
    assert not found(data, seeds=1)[0].detectable == pytest.approx(found(data, seeds=1)[1].detectable)
    wide = found(data, seeds=1)[0]
    evaluated(data / "c", "last-b", few, newest=3)
    narrow = found(data, seeds=1)[0]
    assert wide.is_measured and narrow.is_measured and narrow.detectable < wide.detectable / 3
    assert not found(data)[2].is_measured, "nothing is known of the boxes"
    assert "seeds: 1, spread as of earlier checkpoints: a true difference of 2 points is found in" in str(narrow)


def test_the_samples_of_a_task_count_once_however_many_its_metrics(data):
    measures = {"one": ("ground_spatial/miou",), "two": ("ground_spatial/miou", "ground_spatial/r1_50")}
    both = COMPARISON.model_copy(update={"measures": measures})
    one, two = foresee(both, seeds=3, data=data, checkpoints=data / "c", evaluation=EVALUATION)
    assert (two.samples, two.detectable) == (one.samples, pytest.approx(one.detectable))


def test_two_views_of_one_query_count_as_one_pair(data):
    [row, *_] = records.read_table(data / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    asked = {"task": "verify", "question_type": "verification", "split": "test"}
    of_both = [
        row
        | asked
        | {"sample_id": f"{view}{n}", "view": view, "take_id": f"t{n % 12}", "parents": [f"p{n}"], "media": [span]}
        for n in range(60)
        for view in ("ego", "exo")
        for span in [{"video_id": view, "view": view, "start_s": 0.0, "end_s": 3.0}]
    ]
    records.write_table(data / "dataset/samples.parquet", of_both, records.SAMPLE)
    pairs = COMPARISON.model_copy(update={"measures": {"V": ("con_verify/consistent", "con_verify/ego")}})
    [found] = foresee(pairs, seeds=3, data=data, checkpoints=data / "c", evaluation=EVALUATION)
    assert (found.samples, found.takes) == (60, 12)


def test_few_takes_and_no_data(data, tmp_path):
    rows = records.read_table(data / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    few = [row | {"take_id": f"t{n % 5}"} for n, row in enumerate(rows)]
    records.write_table(data / "dataset/samples.parquet", few, records.SAMPLE)
    assert (
        str(found(data)[0]) == f"QA: {LIMIT} samples of 5 takes, seeds: 3, too few takes to find anything (at least 6)"
    )
    missing = foresee(COMPARISON, seeds=3, data=data / "no", checkpoints=data / "c", evaluation=EVALUATION)
    assert missing == []
