"""SIGKILL at seeded points of every algorithm's run, again and again in one run, which then ends as if nothing was."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from components.train import plan
from tests.components.train.survival import forked
from tests.components.train.survival.conftest import STEPS, Proving, assert_the_same
from tests.components.train.survival.forked import AT_END, IN_STEP, Mishap

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def points(algorithm: str) -> list[Mishap]:
    """Draw where a run is killed: the step of each place in one, then the places after the last step."""
    rng = random.Random(algorithm)
    saves = list(range(2, STEPS + 1, 2))
    drawn = []
    for place in IN_STEP:
        # a checkpoint is taken away only where there are two
        steps = range(1, STEPS + 1) if place in ("batch", "taken") else saves[place == "rotation" :]
        drawn.append(Mishap("kill", place, rng.choice(list(steps))))
    drawn.sort(key=lambda point: (point.step, IN_STEP.index(point.place)))
    return drawn + [Mishap("kill", place) for place in AT_END]


def last_saved(output: Path) -> int:
    """Give the step of the newest checkpoint that is whole."""
    steps = [0]
    for path in (output / "trainer").glob("checkpoint-*/trainer_state.json"):
        with contextlib.suppress(json.JSONDecodeError):
            steps.append(json.loads(path.read_text())["global_step"])
    return max(steps)


@pytest.mark.parametrize("algorithm", ["supervised", "text", "grpo"])
def test_killed_at_every_point_a_run_ends_as_the_one_that_nobody_killed(proving: Proving, algorithm: str):
    killed_at = points(algorithm)
    assert len(killed_at) >= 10
    expected, output = proving.whole(algorithm), proving.folder / f"killed_{algorithm}"
    for point in killed_at:
        # the step that goes on may be lost, and what was done since the save before it: never more
        assert proving.run(algorithm, output, point) == [-9], (point, proving.log(output).read_text()[-3000:])
        if point.step is not None:
            assert last_saved(output) >= point.step - 2, point
    assert plan.is_finished(output), "killed after all was written"
    assert proving.run(algorithm, output) == [0]
    assert_the_same(output, expected)
    ours, theirs = (json.loads((folder / "stage.json").read_text()) for folder in (output, expected))
    assert ours["sample_ledger"] == theirs["sample_ledger"] and ours["steps"] == theirs["steps"] == STEPS
    assert {path.name for path in output.iterdir()} == {"history.jsonl", "model", "stage.json"}


def test_the_ledger_sees_a_sample_that_is_exchanged(proving: Proving):
    """The comparison above would be worth nothing if it held for any two runs."""
    rows = forked.ledger(proving.whole("supervised"))
    assert list(rows) == list(range(1, STEPS + 1))
    assert len({row["inputs"] for row in rows.values()}) == STEPS
    assert all(row["named"].startswith("sample ids ") for row in rows.values())
