import os
import sys
import time

import pytest

from components.video import killable_worker
from components.video.killable_worker import KillableWorker, WorkerDiedError, WorkerStartError


def test_one_worker_serves_many_calls():
    with KillableWorker(timeout_s=30) as worker:
        assert worker.call(os.getpid) == worker.call(os.getpid) != os.getpid()


def test_an_error_of_the_function_comes_back_as_it_is_and_the_worker_stays():
    with KillableWorker(timeout_s=30) as worker:
        before = worker.call(os.getpid)
        with pytest.raises(ValueError, match="invalid literal"):
            worker.call(int, "x")
        assert worker.call(os.getpid) == before


def test_a_hanging_call_is_killed_on_the_clock_and_the_worker_replaced():
    with KillableWorker(timeout_s=0.5) as worker:
        before = worker.call(os.getpid)
        started = time.monotonic()
        with pytest.raises(WorkerDiedError, match=r"killed after 0.5 s"):
            worker.call(time.sleep, 60)
        assert time.monotonic() - started < 5
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert worker.call(os.getpid) != before


def test_a_crash_is_named_and_the_worker_replaced():
    with KillableWorker(timeout_s=30) as worker:
        with pytest.raises(WorkerDiedError, match="exit code 7"):
            worker.call(os._exit, 7)
        assert worker.call(len, "four") == 4


def never_ready(_pipe: object) -> None:
    time.sleep(60)


def test_a_worker_that_cannot_start_is_no_fault_of_the_call(monkeypatch):
    monkeypatch.setattr(killable_worker, "_serve", sys.exit)
    with KillableWorker(timeout_s=30) as worker, pytest.raises(WorkerStartError, match="at its start with exit code 1"):
        worker.call(len, "four")
    monkeypatch.setattr(killable_worker, "_serve", never_ready)
    monkeypatch.setattr(killable_worker, "START_S", 0.1)
    with KillableWorker(timeout_s=30) as worker, pytest.raises(WorkerStartError, match="did not start within 0.1 s"):
        worker.call(len, "four")
