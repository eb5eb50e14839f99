"""When the next call may go: requests per minute, holds that a server asks for, and back-off."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BACKOFF_MAX_S = 60.0


@dataclass(frozen=True)
class Timing:
    """Clock, sleep and dice; a test puts its own in their place."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    dice: Callable[[], float] = random.random


class Pace:
    """One gate for all callers: calls start at least 60 / `per_minute` seconds apart, and none during a hold."""

    def __init__(self, timing: Timing, *, per_minute: float | None) -> None:
        self._timing = timing
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._free_s = self._held_s = timing.now_s()
        self._gate = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until the next call may start; callers are served in the order in which they came."""
        async with self._gate:
            # a loop: a hold may come while one sleeps
            while (wait_s := max(self._free_s, self._held_s) - self._timing.now_s()) > 0:
                await self._timing.sleep(wait_s)
            self._free_s = self._timing.now_s() + self._gap_s

    def hold(self, wait_s: float) -> None:
        """Let no call start for `wait_s` seconds: a limit is the account's, not one request's."""
        self._held_s = max(self._held_s, self._timing.now_s() + wait_s)


def backoff_s(failures: int, *, base_s: float, dice: float) -> float:
    """Return the wait after so many failures: it doubles up to a minute, less up to half of it by `dice` in [0, 1).

    >>> [backoff_s(n, base_s=1.0, dice=0.0) for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return min(BACKOFF_MAX_S, base_s * 2.0 ** min(failures - 1, 60)) * (1 - dice / 2)


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Read the header Retry-After (RFC 9110 §10.2.3): seconds, or a date; None where there is none that can be read.

    A date is counted from the server's own `Date` where it gives one: its clock may differ from ours.
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
