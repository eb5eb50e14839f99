"""The contracts are checked in another process: its verdict is the step's, and neither outlives the other unnoticed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from components.data.contracts import beside, validate

DIES = """
import os, signal
import psutil
from components.data.contracts import beside, validate
validate.load = lambda: None
with beside.checking():
    print(psutil.Process().children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _loads_nothing(monkeypatch):
    monkeypatch.setattr(validate, "load", lambda: None)


def test_the_verdict_is_that_of_another_process(monkeypatch, tmp_path):
    def check(step: str, data_dir: Path) -> None:
        (data_dir / step).write_text(str(os.getpid()))
        if step == "clips":
            raise ValueError("1 expectations failed")

    monkeypatch.setattr(beside, "check", check)
    with beside.checking() as check_there:
        assert check_there("media", tmp_path) is None
        other = int((tmp_path / "media").read_text())
    assert other != os.getpid() and not psutil.pid_exists(other)
    with beside.checking() as check_there, pytest.raises(ValueError, match="1 expectations failed"):
        check_there("clips", tmp_path)


def test_a_process_that_is_killed_is_told_of(monkeypatch, tmp_path):
    monkeypatch.setattr(beside, "check", lambda step, data_dir: os.kill(os.getpid(), signal.SIGKILL))
    with (
        beside.checking() as check_there,
        pytest.raises(RuntimeError, match="step 'media': the process .* died with exit code -9"),
    ):
        check_there("media", tmp_path)


def test_it_ends_when_the_step_dies():
    died = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    other, end_s = int(died.stdout), time.monotonic() + 60
    while psutil.pid_exists(other) and psutil.Process(other).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end_s
        time.sleep(0.05)
