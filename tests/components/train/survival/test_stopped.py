"""SIGTERM, other numbers of ranks, the death of the launcher: what was done stays, and what goes on goes on alike."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch

from components.tracking import history
from components.train import launch_command, plan
from components.train.safety import resumable, sigterm, universal_checkpoint
from flows import supervisor
from tests import warm_python
from tests.components.train.conftest import ROOT
from tests.components.train.survival import forked
from tests.components.train.survival.conftest import STAGES, Proving, assert_the_same, curves, weights
from tests.components.train.survival.forked import Mishap
from tests.processes import alive

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("algorithm", ["supervised", "grpo"])
def test_sigterm_ends_the_step_saves_and_exits(proving: Proving, algorithm: str):
    output, rare = proving.folder / f"asked_{algorithm}", proving.recipe("rare", save_steps=100)
    codes = proving.run(algorithm, output, Mishap("ask", "batch", 3), recipe=rare, every=2)  # between two records
    assert codes == [sigterm.STOPPED]
    said = f"stage '{STAGES[algorithm]}' ends, as SIGTERM asks. Kept is {output / 'trainer' / 'checkpoint-3'}."
    assert said in proving.log(output).read_text().splitlines()
    assert resumable.newest(output / "trainer").name == "checkpoint-3" and not plan.is_finished(output)
    assert proving.run(algorithm, output, recipe=rare, every=2) == [0]
    assert_the_same(output, proving.whole(algorithm, every=2))


def moved(proving: Proving, output: Path) -> torch.Tensor:
    """Give the way that all weights have gone in a run."""
    start, now = weights(proving.parents["stage3"]), weights(output)
    return torch.cat([(now[name] - start[name]).flatten() for name in sorted(now)])


def assert_alike(proving: Proving, output: Path, expected: Path) -> None:
    """Same samples in every step, losses within 3 %, weights within 15 % of the way gone (see test_stages)."""
    named = [[row["named"] for _, row in sorted(forked.ledger(folder).items())] for folder in (output, expected)]
    assert named[0] == named[1]
    for ours, theirs in zip(curves(output), curves(expected), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.03)
    way = moved(proving, expected)
    assert (moved(proving, output) - way).norm() < 0.15 * way.norm()


PLAIN = {"muon_learning_rate": None, "lora": None}  # no dropout: its masks are drawn by each rank
GROWN = {1: 2, 2: 1}


@pytest.fixture(scope="module")
def alone(proving: Proving) -> Path:
    output = proving.folder / "alone"
    assert proving.run("supervised", output, recipe=proving.recipe("one", **PLAIN, ranks=1)) == [0]
    return output


@pytest.mark.parametrize("before", [1, 2])
def test_a_run_goes_on_with_another_number_of_ranks(proving: Proving, alone: Path, before: int):
    recipes = {ranks: proving.recipe(name, **PLAIN, ranks=ranks) for ranks, name in {1: "one", 2: "two"}.items()}
    output = proving.folder / f"from_{before}"
    if before == 2:
        killed = Mishap("kill", "batch", 3, rank=1)
        codes = proving.run("supervised", output, killed, recipe=recipes[2], ranks=2)
        assert codes[1] == -9 and codes[0] != 0
    # one rank alone is told to end; both do
    codes = proving.run(
        "supervised", output, Mishap("ask", "batch", 3, rank=before - 1), recipe=recipes[before], ranks=before
    )
    assert codes == [sigterm.STOPPED] * before
    assert universal_checkpoint.ranks_of(resumable.newest(output / "trainer")) == before
    now = GROWN[before]
    assert proving.run("supervised", output, recipe=recipes[now], ranks=now) == [0] * now, proving.log(
        output
    ).read_text()
    assert_alike(proving, output, alone)
    ours, theirs = (json.loads((folder / "stage.json").read_text())["samples_digest"] for folder in (output, alone))
    assert ours == theirs


def test_muon_refuses_another_number_of_ranks_in_words(proving: Proving):
    output = proving.folder / "muon"
    proving.run("supervised", output, Mishap("ask", "batch", 1))
    assert proving.run("supervised", output, recipe=proving.recipe("muon_two", ranks=2), ranks=2) != [0, 0]
    assert (
        "saved on 1 ranks, now there are 2; with `muon_learning_rate` allowed are as many"
        in proving.log(output).read_text()
    )
    assert resumable.newest(output / "trainer").name == "checkpoint-1"


def kill_launcher_in(output: Path, seen: list[psutil.Process]) -> None:
    """Wait for the first step of a stage, note all its processes, and SIGKILL DeepSpeed's launcher."""
    end_s = time.monotonic() + 200
    while not history.read(output / "history.jsonl")[0]:
        assert time.monotonic() < end_s, "no step came"
        time.sleep(0.005)
    for process in psutil.Process().children(recursive=True):
        if str(output) in (line := process.cmdline()):
            seen.append(process)
            # the watchdog has the same words further on
            if line[1:3] == ["-m", "components.train.node_launcher"]:
                process.kill()


def test_the_death_of_the_launcher_leaves_no_process_and_loses_no_step(proving: Proving):
    """Real processes: watchdog, DeepSpeed's launcher, rank. Killed is the launcher, in the second step or later."""
    output = proving.folder / "launched"
    recipe = proving.recipe("plain")
    stage = proving.stage(recipe, "supervised")
    command = launch_command.command(
        recipe=recipe, stage=stage.name, ranks=1, parents={"all": proving.parents["stage3"]}, data=proving.data,
        output=output, run_id="none", provenance={"stage_key": "supervised"},
    )  # fmt: skip
    environment = launch_command.environment(ROOT, threads=1) | {"MLFLOW_TRACKING_URI": warm_python.NOWHERE}
    seen: list[psutil.Process] = []
    with ThreadPoolExecutor() as pool:
        killer = pool.submit(kill_launcher_in, output, seen)
        with pytest.raises(supervisor.StageFailed, match="exit code 137"):
            supervisor.supervise(command, environment, log_path=proving.log(output), timeout_s=850, cwd=ROOT, grace_s=1)
        killer.result()
    end_s = time.monotonic() + 10
    while left := alive(seen):
        assert time.monotonic() < end_s, left
        time.sleep(0.05)
    assert len(seen) >= 2 and not plan.is_finished(output)
    assert proving.run("supervised", output) == [0]
    expected = proving.whole("supervised")
    assert curves(output) == curves(expected)
    ours, theirs = weights(output), weights(expected)
    assert not [name for name in theirs if not torch.equal(ours[name], theirs[name])]
