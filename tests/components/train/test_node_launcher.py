"""The launcher of one host, with small programs in the place of the ranks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAUNCH = """
import sys
from components.train import node_launcher
node_launcher.GRACE_S = 1
sys.exit(node_launcher.run([sys.executable, "-c", sys.argv[1]], sys.argv[2].split(","), 1234))
"""
SAVES = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ["RANK"]) and 143))
open(os.environ["RANK"], "w").close()
time.sleep(100)
"""
DEAF = """
import os, signal, sys, time
from pathlib import Path
if os.environ["RANK"] == "1":
    while not Path("0").exists():
        time.sleep(0.01)
    sys.exit(7)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path("0").write_text(str(os.getpid()))
time.sleep(100)
"""


def launched(program: str, gpu_ids: str, folder: Path) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "8"}
    command = [sys.executable, "-c", LAUNCH, program, gpu_ids]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)


def test_every_rank_has_a_number_and_sees_the_gpus_of_all(tmp_path: Path):
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_SIZE", "CUDA_VISIBLE_DEVICES", "MASTER_PORT")
    program = f"import os; os.write(1, (' '.join(os.environ[name] for name in {names}) + chr(10)).encode())"
    process = launched(program, "2,5", tmp_path)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and sorted(told.splitlines()) == ["0 0 2 2 2,5 1234", "1 1 2 2 2,5 1234"]


def test_where_a_rank_fails_the_others_end_even_those_that_hear_nothing(tmp_path: Path):
    process = launched(DEAF, "0,1", tmp_path)
    assert process.wait(60) == 7
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "0").read_text()), 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_reaches_every_rank_and_the_launcher_waits_for_them(tmp_path: Path, number: signal.Signals):
    process, end_s = launched(SAVES, "0,1", tmp_path), time.monotonic() + 60
    while not all((tmp_path / rank).exists() for rank in "01"):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 143


def test_a_rank_that_was_killed_is_told_by_its_signal(tmp_path: Path):
    process = launched("import os; os.kill(os.getpid(), 9)", "0", tmp_path)
    assert process.wait(60) == 256 - signal.SIGKILL
