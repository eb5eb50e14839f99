import os
import time

import pytest

from components.video.killable_worker import Guard, GuardError


def test_one_worker_serves_many_calls():
    with Guard(timeout_s=30) as guard:
        assert guard.call(os.getpid) == guard.call(os.getpid) != os.getpid()


def test_an_error_of_the_function_comes_back_as_it_is_and_the_worker_stays():
    with Guard(timeout_s=30) as guard:
        before = guard.call(os.getpid)
        with pytest.raises(ValueError, match="invalid literal"):
            guard.call(int, "x")
        assert guard.call(os.getpid) == before


def test_a_hanging_call_is_killed_on_the_clock_and_the_worker_replaced():
    with Guard(timeout_s=0.5) as guard:
        before = guard.call(os.getpid)
        started = time.monotonic()
        with pytest.raises(GuardError, match=r"killed after 0.5 s"):
            guard.call(time.sleep, 60)
        assert time.monotonic() - started < 5
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert guard.call(os.getpid) != before


def test_a_crash_is_named_and_the_worker_replaced():
    with Guard(timeout_s=30) as guard:
        with pytest.raises(GuardError, match="exit code 7"):
            guard.call(os._exit, 7)
        assert guard.call(len, "four") == 4
