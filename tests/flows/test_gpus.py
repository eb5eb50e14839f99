"""GPUs are taken and given back; their number is faked, the locks are real."""

import base64
import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components.train import launch_command
from flows import evaluate, gpus, supervisor, tasks, train
from tests.flows import stand_in

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def never() -> None:
    return None


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fake the folder in which NVIDIA's driver lists its GPUs."""
    monkeypatch.setattr(launch_command, "_DRIVER", tmp_path)
    for name in ("DS_ACCELERATOR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for number in range(4):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("variable", "value", "ids"),
    [
        ("CUDA_VISIBLE_DEVICES", None, ("0", "1", "2", "3")),
        ("CUDA_VISIBLE_DEVICES", "2, 3", ("2", "3")),
        ("CUDA_VISIBLE_DEVICES", "GPU-8a,1,-1,0", ("GPU-8a", "1")),
        ("CUDA_VISIBLE_DEVICES", "", ()),
        ("DS_ACCELERATOR", "cpu", ()),
    ],
)
def test_the_environment_limits_the_gpus(driver: Path, monkeypatch, variable: str, value: str | None, ids: tuple):
    if value is not None:
        monkeypatch.setenv(variable, value)
    assert launch_command.gpus() == ids


def test_a_process_sees_the_gpus_that_it_was_given(driver: Path):
    assert launch_command.environment(driver, threads=1, gpu_ids=("2", "3"))["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "DS_ACCELERATOR" not in launch_command.environment(driver, threads=1, gpu_ids=("2",))
    assert "CUDA_VISIBLE_DEVICES" not in launch_command.environment(driver, threads=1)
    without = launch_command.environment(driver, threads=1, gpu_ids=())
    assert without["CUDA_VISIBLE_DEVICES"] == "" and without["DS_ACCELERATOR"] == "cpu"


def test_the_launcher_gives_its_ranks_the_gpus_of_the_stage():
    options = {"recipe": Path("r"), "stage": "s", "parents": {}, "data": Path("d"), "output": Path("o")}
    words = launch_command.command(ranks=2, **options, run_id="0", provenance={}, gpu_ids=("2", "3"))
    world = json.loads(base64.urlsafe_b64decode(words[words.index("--world_info") + 1]))
    assert world == {"localhost": ["2", "3"]}


def test_a_machine_without_gpus_waits_for_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launch_command, "gpus", lambda: ())
    with gpus.reserved(16, stop=never) as ids:
        assert ids == ()


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fake two GPUs, with locks of their own and without a Prefect server (test_deployments.py has one)."""
    fake_gpus(monkeypatch, tmp_path / "locks")
    monkeypatch.setattr(gpus, "_take_slots", lambda held, count, stop: None)
    monkeypatch.setattr(gpus, "_make_limit", lambda slots: None)
    return tmp_path / "locks"


def fake_gpus(monkeypatch: pytest.MonkeyPatch, locks: Path) -> None:
    monkeypatch.setattr(launch_command, "gpus", lambda: ("0", "1"))
    monkeypatch.setattr(gpus, "LOCKS", locks)
    monkeypatch.setattr(gpus, "POLL_S", 0.05)


def waits_for(count: int) -> bool:
    """Return whether so many GPUs are not free at the first and the second look."""
    looks = []

    def twice() -> str | None:
        looks.append(1)
        return "enough" if len(looks) == 2 else None

    try:
        with gpus.reserved(count, stop=twice):
            return False
    except supervisor.StageStopped as stopped:
        assert "stopped while it waited for GPUs: enough" in str(stopped)
        return True


def test_a_gpu_is_held_by_one_stage_at_a_time(two_gpus: Path):
    with gpus.reserved(1, stop=never) as first, gpus.reserved(1, stop=never) as second:
        assert {*first, *second} == {"0", "1"} and first != second
        assert waits_for(1)
    with gpus.reserved(1, stop=never):
        assert waits_for(2)
        assert not waits_for(1), "who waits in vain holds nothing"
    with gpus.reserved(2, stop=never) as both:
        assert both == ("0", "1")


def test_a_gpu_that_another_process_holds_is_not_taken_and_free_when_that_ends(two_gpus: Path):
    two_gpus.mkdir()
    with holder(two_gpus / "0"):
        with gpus.reserved(1, stop=never) as other:
            assert other == ("1",)
        assert waits_for(2)
    with gpus.reserved(2, stop=never) as both:
        assert both == ("0", "1")


def test_a_stage_waits_until_another_lets_go(two_gpus: Path):
    got: list[tuple[str, ...]] = []

    def wait_for_both() -> None:
        with gpus.reserved(2, stop=never) as ids:
            got.append(ids)

    with gpus.reserved(1, stop=never):
        thread = threading.Thread(target=wait_for_both)
        thread.start()
        thread.join(0.5)
        assert not got
    thread.join(30)
    assert got == [("0", "1")]


@contextlib.contextmanager
def holder(path: Path):
    """Let another process hold a lock, and end that process by SIGKILL as the block ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def test_stages_and_evaluations_are_started_on_the_gpus_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked, started = [], []

    @contextlib.contextmanager
    def reserved(count: int, *, stop: object):
        asked.append(count)
        yield tuple(str(number + 4) for number in range(count))

    def supervise(command: list[str], env: dict[str, str], *, log_path: Path, **more: object) -> None:
        started.append((command, env["CUDA_VISIBLE_DEVICES"]))
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log_path.touch()
        if "--output" in command:
            (Path(command[command.index("--output") + 1]) / "stage.json").write_text("{}")

    root = stand_in.make(tmp_path)
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    monkeypatch.setattr(gpus, "reserved", reserved)
    monkeypatch.setattr(launch_command, "gpus", lambda: tuple("01234567"))
    monkeypatch.setattr(supervisor, "supervise", supervise)
    job = tasks.open_job(stand_in.RECIPE, dataset="d" * 64)
    stage = job.recipe.stages[0].model_copy(update={"ranks": 2})
    job.checkpoint(stage.name).mkdir(parents=True)
    with disable_run_logger():
        train.train_stage(job, stage, tasks.tracking.open_pipeline_run("p", tags={}), never)
        for ranks in (2, 1, 32):
            how = stage.model_copy(update={"ranks": ranks, "max_new_tokens": 9, "rank_options": ranks == 1})
            evaluate.evaluate_checkpoint(job, job.checkpoint(stage.name), never, how=how, threads=1)
    assert asked == [2, 2, 1, 8], "a stage of many hosts is evaluated on what this one has"
    assert [visible for _, visible in started] == ["4,5", "4,5", "4", "4,5,6,7,8,9,10,11"]
    evaluations = [" ".join(command) for command, _ in started[1:]]
    together = ["--nproc-per-node 2 -m components.evaluation" in command for command in evaluations]
    assert together == [True, False, False] and "--nproc-per-node 8" in evaluations[2]
    assert ["--rank-options" in command for command in evaluations] == [False, True, False]
    assert all("--max-new-tokens 9" in command for command in evaluations)
