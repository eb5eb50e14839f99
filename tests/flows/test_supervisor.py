"""Real processes throughout: a script with children and grandchildren stands in for a launcher and its ranks."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from components.records.single_writer import BusyError, single_writer
from components.train import launch_command
from flows import supervisor

ROOT = Path(__file__).parents[2]
# writes the pids of itself, a child and a grandchild in a session of its own that ignores SIGTERM; then sleeps
FAMILY = """
import os, signal, subprocess, sys, time
depth, folder = int(sys.argv[1]), sys.argv[2]
if depth == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(f"{folder}/{os.getpid()}.pid", "w").close()
print("depth", depth, flush=True)
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1), folder])
time.sleep(120)
"""


@pytest.fixture
def family(tmp_path: Path) -> list[str]:
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    return [sys.executable, str(script), "2", str(tmp_path)]


def wait_for_family(folder: Path, seconds: float = 20) -> list[int]:
    end = time.monotonic() + seconds
    while len(pids := [int(path.stem) for path in folder.glob("*.pid")]) < 3:
        assert time.monotonic() < end, f"only {len(pids)} of 3 processes came up"
        time.sleep(0.05)
    return pids


def lives(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # it may go between two looks
        return psutil.Process(pid).status() != "zombie"
    return False


def assert_dead(pids: list[int], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while left := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < end, f"still alive: {left}"
        time.sleep(0.05)


def supervise(command: list[str], log: Path, **options) -> None:
    supervisor.supervise(command, dict(os.environ), log_path=log, **{"timeout_s": 60, "grace_s": 1, **options})


def test_output_goes_to_the_log_and_line_by_line_to_the_caller(tmp_path: Path):
    lines: list[str] = []
    code = "import sys, time; print('one'); print('two', file=sys.stderr); print('three', end='')"
    supervise([sys.executable, "-u", "-c", code], tmp_path / "logs" / "a.log", on_line=lines.append)
    assert lines == ["one", "two", "three"]
    assert (tmp_path / "logs" / "a.log").read_text() == "one\ntwo\nthree"


def test_failure_carries_exit_code_last_lines_and_log_path(tmp_path: Path):
    code = "for i in range(100): print('line', i)\nraise SystemExit(3)"
    with pytest.raises(supervisor.StageFailed) as failed:
        supervise([sys.executable, "-c", code], tmp_path / "a.log")
    text = str(failed.value)
    assert "exit code 3, expected 0" in text and "line 99" in text and "line 70" in text
    assert "line 69" not in text and str(tmp_path / "a.log") in text


def test_the_exit_code_of_a_pause_is_told_from_a_failure(tmp_path: Path):
    code = f"print('too high'); raise SystemExit({supervisor.PAUSED})"
    with pytest.raises(supervisor.StagePaused, match=r"(?s)paused itself .*too high"):
        supervise([sys.executable, "-c", code], tmp_path / "a.log")


def test_a_retry_appends_and_shows_only_its_own_lines(tmp_path: Path):
    for word in ("first", "second"):
        with pytest.raises(supervisor.StageFailed) as failed:
            supervise([sys.executable, "-c", f"print('{word}'); raise SystemExit(1)"], tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text() == "first\nsecond\n"
    assert "first" not in str(failed.value)


def test_death_by_signal_is_a_failure(tmp_path: Path):
    with pytest.raises(supervisor.StageFailed, match="exit code 137"):
        supervise([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], tmp_path / "a.log")


def test_timeout_ends_the_whole_family(tmp_path: Path, family: list[str]):
    with pytest.raises(supervisor.StageFailed, match="longer than the 4 s"):
        supervise(family, tmp_path / "a.log", timeout_s=4)
    assert_dead(wait_for_family(tmp_path), seconds=0.1)


def test_each_part_of_a_command_has_all_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now_s = 0.0

    def on_line(line: str) -> bool:
        nonlocal now_s
        now_s += 40
        return line == "part"

    monkeypatch.setattr(supervisor, "time", SimpleNamespace(sleep=time.sleep, monotonic=lambda: now_s))
    supervise([sys.executable, "-c", "print('part\\n' * 3)"], tmp_path / "a.log", on_line=on_line)
    code = "import time; print('part\\nless\\nless', flush=True); time.sleep(120)"
    with pytest.raises(supervisor.StageFailed, match="longer than the 60 s"):
        supervise([sys.executable, "-c", code], tmp_path / "a.log", on_line=on_line)


def test_a_stop_reason_ends_the_whole_family(tmp_path: Path, family: list[str]):
    def stop() -> str | None:
        return "cancelled by hand" if len(list(tmp_path.glob("*.pid"))) == 3 else None

    with pytest.raises(supervisor.StageStopped, match="was stopped: cancelled by hand"):
        supervise(family, tmp_path / "a.log", stop=stop)
    assert_dead(wait_for_family(tmp_path), seconds=0.1)


SAVES = """
import os, signal, sys, time
from pathlib import Path

def save(*_):
    time.sleep(3)
    Path("saved").touch()
    sys.exit()

signal.signal(signal.SIGTERM, save)
print(os.getpid(), flush=True)
time.sleep(120)
"""


def test_a_stopped_command_that_saves_for_long_is_left_to_its_watchdog(tmp_path: Path):
    lines: list[str] = []
    options = {"stop": lambda: "cancelled" if lines else None, "on_line": lines.append, "cwd": tmp_path}
    began_s = time.monotonic()
    with single_writer(tmp_path / "lock", "it") as lock, pytest.raises(supervisor.StageStopped, match="still saves"):
        command = [sys.executable, "-c", SAVES]
        supervise(command, tmp_path / "a.log", grace_s=20, leave_s=0.5, locks=(lock,), **options)
    with pytest.raises(BusyError), single_writer(tmp_path / "lock", "it"):
        pass  # nobody writes into the folder meanwhile
    assert psutil.pid_exists(int(lines[0])) and not (tmp_path / "saved").exists()
    end_s = time.monotonic() + 20
    while not (tmp_path / "saved").exists():
        assert time.monotonic() < end_s, "it was ended before it had saved"
        time.sleep(0.05)
    assert time.monotonic() - began_s > 3


def test_an_exception_in_the_caller_ends_the_whole_family(tmp_path: Path, family: list[str]):
    def on_line(line: str) -> None:
        if line == "depth 0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise(family, tmp_path / "a.log", on_line=on_line)
    assert_dead(wait_for_family(tmp_path), seconds=0.1)


def test_what_the_command_leaves_behind_is_ended(tmp_path: Path):
    code = "import subprocess; print(subprocess.Popen(['sleep', '120'], start_new_session=True).pid)"
    lines: list[str] = []
    supervise([sys.executable, "-c", code], tmp_path / "a.log", on_line=lines.append)
    assert_dead([int(lines[0])], seconds=0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_of_the_caller_ends_the_whole_family(tmp_path: Path, family: list[str], number: int):
    caller = f"""
    import os
    from pathlib import Path
    from flows import supervisor
    log_path = Path({str(tmp_path)!r}) / "a.log"
    supervisor.supervise({family!r}, dict(os.environ), log_path=log_path, timeout_s=60, grace_s=1)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(caller)], cwd=ROOT)
    pids = wait_for_family(tmp_path)
    process.send_signal(number)
    process.wait(60)
    assert_dead(pids)


def test_a_lock_is_held_as_long_as_anything_of_the_command_lives(tmp_path: Path, family: list[str]):
    caller = f"""
    import os
    from pathlib import Path
    from components.records.single_writer import single_writer
    from flows import supervisor
    folder = Path({str(tmp_path)!r})
    with single_writer(folder / "lock", "it") as lock:
        supervisor.supervise(
            {family!r}, dict(os.environ), log_path=folder / "a.log", timeout_s=60, grace_s=3, locks=(lock,)
        )
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(caller)], cwd=ROOT)
    pids = wait_for_family(tmp_path)
    process.kill()
    process.wait(60)
    with pytest.raises(BusyError), single_writer(tmp_path / "lock", "it"):
        pass  # the grandchild ignores SIGTERM, and has three seconds
    assert_dead(pids)
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        with contextlib.suppress(BusyError), single_writer(tmp_path / "lock", "it"):
            return
        time.sleep(0.05)
    pytest.fail("the lock was never free")


def test_death_of_the_watchdog_is_noticed(tmp_path: Path):
    killed: list[int] = []

    def kill_watchdog(line: str) -> None:
        killed.append(int(line))
        os.kill(psutil.Process(int(line)).ppid(), signal.SIGKILL)

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(120)"
    with pytest.raises(supervisor.StageFailed):
        supervise([sys.executable, "-c", code], tmp_path / "a.log", on_line=kill_watchdog)
    assert_dead(killed)


def test_the_launcher_takes_the_command(tmp_path: Path):
    """Two ranks, with a module of our own in the place of the training."""
    # one write a line: both ranks write to one pipe, and print writes each of its words by itself
    module = (
        "import json, os, sys; e = os.environ; "
        "os.write(1, f\"RANK {e['RANK']} {e['OMP_NUM_THREADS']} {json.dumps(sys.argv[1:])}\\n\".encode())"
    )
    (tmp_path / "stand_in.py").write_text(module)
    command = launch_command.command(
        recipe=Path("r.yaml"), stage="ego", ranks=2, parents={"text": Path("checkpoints/lm-1")}, data=Path("data"),
        output=Path("out"), run_id="0a", provenance={"key": "k"},
    )  # fmt: skip
    lines: list[str] = []
    supervisor.supervise(
        [word if word != "components.train" else "stand_in" for word in command],
        launch_command.environment(ROOT, threads=1) | {"PYTHONPATH": str(ROOT)},
        log_path=tmp_path / "a.log",
        timeout_s=60,
        cwd=tmp_path,
        on_line=lines.append,
    )
    ranks = sorted(line.split(" ", 3) for line in lines if line.startswith("RANK"))
    assert [rank[1:3] for rank in ranks] == [["0", "1"], ["1", "1"]]
    arguments = json.loads(ranks[0][3])
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert json.loads(options.pop("--provenance")) == {"key": "k"}
    assert json.loads(options.pop("--parents")) == {"text": "checkpoints/lm-1"}
    assert options == {"--recipe": "r.yaml", "--stage": "ego", "--data": "data", "--output": "out", "--run-id": "0a"}


def test_environment_runs_on_cpu_and_compiles_into_the_project(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    env = launch_command.environment(ROOT, threads=2)
    assert env["DS_ACCELERATOR"] == "cpu" and env["OMP_NUM_THREADS"] == "2" and env["HF_HUB_OFFLINE"] == "1"
    assert env["TORCH_EXTENSIONS_DIR"] == str(ROOT / ".cache" / "torch_extensions")
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_deepspeed_json_leaves_sizes_and_optimizer_to_the_trainer(zero: int):
    config = json.loads((ROOT / "infra" / "deepspeed" / f"zero{zero}.json").read_text())
    assert config["zero_optimization"]["stage"] == zero and "optimizer" not in config
    assert config["zero_allow_untested_optimizer"] is True and config["train_micro_batch_size_per_gpu"] == "auto"
