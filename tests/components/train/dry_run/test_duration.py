"""Hours that the dry run doubts, and what it says of its formulas."""

import json
from pathlib import Path

import pytest

from components import params
from components.models import build
from components.train.dry_run import duration
from components.train.dry_run.fitting import Machine
from tests.benchmarks import dry_run as measured
from tests.components.train.dry_run.test_report import A100, budget_of

ROOT = Path(__file__).parents[4]
RECORDED = {row["name"]: row for row in json.loads(duration.COMPARED.read_text())}


@pytest.fixture(scope="module")
def data() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


@pytest.fixture(scope="module", autouse=True)
def registered():
    build.register()


def test_hours_far_from_the_published_are_doubted(data):
    rft = budget_of("egothinker", "grpo", data, published_hours=6)
    why = duration.doubt(rft, A100)
    times = f"{duration.hours(rft, A100) / 6:.1f} times as many GPU hours"
    assert why.startswith(f"grpo: {duration.hours(rft, A100):.0f} h on 8 GPUs, but 6 h on 8 are published: {times}")
    assert why.endswith("of the GPUs' peak in the published time, so they were shorter")
    # twice the GPUs take half the hours, which is no less to doubt
    halved = Machine(gpus=16, memory_gib=80, tokens_per_second=None)
    assert f"h on 16 GPUs, but 6 h on 8 are published: {times}" in duration.doubt(rft, halved)
    timed = Machine(gpus=None, memory_gib=80, tokens_per_second=2000)
    assert duration.doubt(rft, timed).endswith(f"{duration.hours(rft, timed) / 6:.1f} times as many GPU hours")


@pytest.mark.parametrize(("ratio", "doubted"), [(0.4, True), (0.51, False), (1.0, False), (1.99, False), (2.1, True)])
def test_up_to_twice_as_long_or_half_is_believed(data, ratio, doubted):
    estimated = duration.hours(budget_of("egothinker", "sft", data), A100)
    needs = budget_of("egothinker", "sft", data, published_hours=estimated / ratio)
    assert (duration.doubt(needs, A100) is not None) == doubted


def test_months_that_nothing_is_published_of_are_doubted_too(data):
    why = duration.doubt(budget_of("exo2ego", "init_exo", data), A100)
    assert why == "init_exo: 7,306 h on 16 GPUs are more than a month, and no hours are published to compare"
    assert duration.doubt(budget_of("exo2ego", "stage1", data), A100) is None


def test_what_was_compared_is_told_with_its_numbers():
    steps, *others = duration.comparisons()
    counted = [row for row in RECORDED.values() if row["by"] == "counted by PyTorch"]
    assert steps.startswith(f"{len(counted)} numbers counted by PyTorch on tiny models; farthest off is ")
    worst = max(counted, key=lambda row: abs(row["formula"] / row["measured"] - 1))
    assert f"{worst['name']}: {worst['measured']:,.0f}, by formula {worst['formula']:,.0f}, " in steps
    assert len(others) == len({row["by"] for row in RECORDED.values()}) and "MFU are assumed" in others[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", measured.STEPS)
def test_a_step_does_the_work_that_the_formula_says(name):
    row = measured.flops(name)
    assert row["formula"] == pytest.approx(row["measured"], rel=0.1)
    assert row == RECORDED[name] | {"measured": pytest.approx(RECORDED[name]["measured"], rel=0.02)}


@pytest.mark.parametrize("name", measured.LAYERS)
def test_a_layer_keeps_what_the_formula_says(name):
    row = measured.activations(name)
    assert row["formula"] == pytest.approx(row["measured"], rel=0.03)
    assert row["formula"] == RECORDED[name]["formula"]


def test_deepspeed_holds_what_the_formula_says():
    held = [row for name, row in RECORDED.items() if row["by"] == "held by DeepSpeed"]
    assert len(held) == 3 and all(row["measured"] == row["formula"] for row in held)
