"""When the next call may start: requests per minute, pauses that the server asks for, and the wait before a retry.

The rate is aiolimiter's and the exponential wait tenacity's. Two things stay by hand. A pause (`Retry-After`) concerns
the account, so it holds every worker, while tenacity only delays the caller that failed. And tenacity's jitter starts
from no wait at all or adds to the whole one; ours takes off at most half, so that a server in trouble is always left
alone for a while.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter
from tenacity import RetryCallState, wait_exponential

LONGEST_BACKOFF_S = 60.0


@dataclass(frozen=True)
class Timing:
    """Clock, sleep and jitter (a random number in [0, 1)) of pauses and retries; tests put their own in their place."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


class RateLimit:
    """One limit for all workers: calls start at least 60 / `per_minute` seconds apart, and none during a pause.

    Args:
        timing: clock and sleep of the pauses.
        per_minute: calls that may start in a minute; None sets no limit.
    """

    def __init__(self, timing: Timing, *, per_minute: float | None) -> None:
        self._timing = timing
        # a capacity of one call: aiolimiter would let a larger one start all at once
        self._limiter = AsyncLimiter(1, 60.0 / per_minute) if per_minute else None
        self._paused_until_s = timing.now_s()
        self._queue = asyncio.Lock()

    async def wait(self) -> None:
        """Wait until the next call may start; callers are served in the order in which they came."""
        async with self._queue:
            await self._acquire()
            # a loop: a pause may begin while this one waits, and calls that it held back must not start all at once
            while (wait_s := self._paused_until_s - self._timing.now_s()) > 0:
                await self._timing.sleep(wait_s)
                await self._acquire()

    def pause(self, wait_s: float) -> None:
        """Let no call start for `wait_s` seconds; a longer pause that was asked for before stays as it is."""
        self._paused_until_s = max(self._paused_until_s, self._timing.now_s() + wait_s)

    async def _acquire(self) -> None:
        if self._limiter:
            await self._limiter.acquire()


def backoff(base_s: float, jitter: Callable[[], float]) -> Callable[[RetryCallState], float]:
    """Return tenacity's wait between two tries: it doubles from `base_s` to a minute, less up to half of it by jitter.

    Args:
        base_s: the wait after the first try, seconds.
        jitter: gives a random number in [0, 1).

    Returns:
        A function of the state of the retries that returns seconds.
    """
    exponential = wait_exponential(multiplier=base_s, max=LONGEST_BACKOFF_S)
    return lambda state: exponential(state) * (1 - jitter() / 2)


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Read the header Retry-After (RFC 9110 §10.2.3), which has seconds or a date.

    Args:
        headers: of the response, with names in lower case.
        now: our time, for a date of a server that does not send its own (the header Date), whose clock may differ.

    Returns:
        Seconds to wait; None where the header is missing or cannot be read.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = _utc(value)
    except ValueError:
        return None
    try:
        since = _utc(headers.get("date", ""))
    except ValueError:
        since = now or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def _utc(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
