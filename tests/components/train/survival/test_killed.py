"""SIGKILL at seeded points of every algorithm's run, again and again in one run, which then ends as if nothing was."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from components.train import plan
from tests.components.train.survival import forked
from tests.components.train.survival.conftest import STEPS, Proving, assert_the_same, curves
from tests.components.train.survival.forked import AT_END, IN_STEP, Mishap

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def points(algorithm: str, count: int | None = None) -> list[Mishap]:
    """Draw where a run is killed: the step of each place in one, then the places after the last step.

    Args:
        algorithm: gives the seed.
        count: draws so many of them; None takes all.
    """
    rng = random.Random(algorithm)
    saves = list(range(2, STEPS + 1, 2))
    drawn = []
    for place in IN_STEP:
        # a checkpoint is taken away only where there are two
        steps = range(1, STEPS + 1) if place in ("batch", "taken") else saves[place == "rotation" :]
        drawn.append(Mishap("kill", place, rng.choice(list(steps))))
    drawn.sort(key=lambda point: (point.step, IN_STEP.index(point.place)))
    drawn += [Mishap("kill", place) for place in AT_END]
    return drawn if count is None else [drawn[place] for place in sorted(rng.sample(range(len(drawn)), count))]


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
    assert_survives(proving, algorithm, killed_at)


def test_contrastive_killed_at_some_points_ends_as_the_one_that_nobody_killed(proving: Proving):
    """It is trained, saved and ended by the code of the other algorithms, and renders its images anew at each start."""
    killed_at = points("contrastive", 4)
    assert {point.place in AT_END for point in killed_at} == {True, False}
    assert_survives(proving, "contrastive", killed_at)


def assert_survives(proving: Proving, algorithm: str, killed_at: list[Mishap]) -> None:
    """Kill one run at each point, and compare what it ends in with a run that nobody killed."""
    # a checkpoint every second step and a record every third: kills cut means over steps too
    expected, output = proving.whole(algorithm, every=3), proving.folder / f"killed_{algorithm}"
    for point in killed_at:
        # the step that goes on may be lost, and what was done since the save before it: never more
        assert proving.run(algorithm, output, point, every=3) == [-9], (point, proving.log(output).read_text()[-3000:])
        if point.step is not None:
            assert last_saved(output) >= point.step - 2, point
    if killed_at[-1].place == "after":
        assert plan.is_finished(output), "killed after all was written"
    assert proving.run(algorithm, output, every=3) == [0]
    assert [row["step"] for row in curves(output) if "loss" in row] == [3, 6]
    assert_the_same(output, expected)
    ours, theirs = (json.loads((folder / "stage.json").read_text()) for folder in (output, expected))
    assert ours["samples_digest"] == theirs["samples_digest"] and ours["steps"] == theirs["steps"] == STEPS
    assert {path.name for path in output.iterdir()} == {"history.jsonl", "model", "stage.json", "unsent.json"}


def test_the_ledger_sees_a_sample_that_is_exchanged(proving: Proving):
    """The comparison above would be worth nothing if it held for any two runs."""
    rows = forked.ledger(proving.whole("supervised"))
    assert list(rows) == list(range(1, STEPS + 1))
    assert len({row["inputs"] for row in rows.values()}) == STEPS
    assert all(row["named"].startswith("sample ids ") for row in rows.values())
