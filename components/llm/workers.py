"""One run against an endpoint: workers take requests, keep to rate and budget, retry, and write every reply down.

The retries are tenacity's. By hand are the rules that it has no word for: a wrong reply is asked again at once with
another seed, a failure after a wait, and a run ends when the endpoint itself is at fault.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from components.llm import endpoint, request
from components.llm.budget import Spending
from components.llm.endpoint import Endpoint, Failure, Reply
from components.llm.ledger import FINAL, Ledger
from components.llm.rate_limit import RateLimit, Timing, backoff
from components.llm.replies import ledger_line, usage_of
from components.llm.request import Reject, Request, Settings, StoppedError

FAILED_IN_A_ROW = 20  # requests given up without one reply between them: the endpoint is down, the rest can wait
LONGEST_PAUSE_S = 900.0  # a longer Retry-After is a quota of the day, not a crowd
REPLIES_PER_LOG_LINE = 100

log = logging.getLogger(__name__)


class Run:
    """The state that the workers of one run share.

    Args:
        settings: of the requests.
        ledger: open for adding; takes every reply.
        timing: clock, sleep and jitter of the waits.

    Attributes:
        rejects: content key -> reject, of the requests that this run gave up.
        calls: calls made.
        replies: replies received and written down.
        last_failure: reason and detail of the last call without a reply.
    """

    def __init__(self, settings: Settings, ledger: Ledger, timing: Timing) -> None:
        self.rejects: dict[str, Reject] = {}
        self.replies = self.calls = 0
        self.last_failure = ""
        self._settings, self._ledger, self._timing = settings, ledger, timing
        self._backoff = backoff(settings.backoff_s, timing.jitter)
        self._rate_limit = RateLimit(timing, per_minute=settings.requests_per_minute)
        self._spending = Spending(settings.budget, calls=ledger.replies, tokens=ledger.tokens)
        self._failed_in_a_row = 0
        self._stopping = False

    async def ask_all(self, waiting: Iterator[tuple[Request, str]]) -> None:
        """Ask every request; `concurrency` workers take them from one iterator.

        Args:
            waiting: requests, each with its content key.

        Raises:
            StoppedError: the run cannot go on; calls under way have ended and their replies are written.
        """
        async with endpoint.connect(timeout_s=self._settings.timeout_s) as connection:
            workers = [asyncio.create_task(self._work(connection, waiting)) for _ in range(self._settings.concurrency)]
            _, under_way = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            # not cancelled: what is under way is paid for
            self._stopping = True
            if under_way:
                await asyncio.wait(under_way)
        errors = [error for worker in workers if (error := worker.exception())]
        # an error that nobody expected is raised before a stop, and as it is
        for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
            if isinstance(error, StoppedError):
                raise StoppedError(f"{error}. {self.next_step()}") from error
            raise error

    def next_step(self) -> str:
        """Say what is kept and what to do, for a person who reads an error."""
        return (
            f"{self._ledger.replies} replies are kept in {self._ledger.path}; mend it (llm in params/data.yaml, "
            f"{endpoint.BASE_URL} and {endpoint.API_KEY} in the environment) and run again: only the rest is asked"
        )

    async def _work(self, connection: Endpoint, waiting: Iterator[tuple[Request, str]]) -> None:
        for asked, key in waiting:
            await self._answer(connection, asked, key)
            if self._stopping:
                return

    async def _answer(self, connection: Endpoint, asked: Request, key: str) -> None:
        """Call until there is an answer, a refusal, or no try left; replies of earlier runs count as tries."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._settings.tries - self._replies_of(key)),
            retry=retry_if_result(_unanswered),
            wait=self._wait_s,
            sleep=self._timing.sleep,
            retry_error_callback=_result,
        )
        last = await retrying(self._try, connection, asked, key)
        if isinstance(last, Failure):
            self._give_up(asked, key, last)

    async def _try(self, connection: Endpoint, asked: Request, key: str) -> Reply | Failure | None:
        """Make one call and write its reply down.

        Returns:
            The wrong reply or the failure; None where there is an answer or a refusal, or where the run stops.
        """
        result = await self._call(connection, asked, seed_shift=self._replies_of(key))
        if isinstance(result, Reply):
            self._failed_in_a_row = 0
            return None if self._write(asked, key, result, clean=connection.clean) in FINAL else result
        if result is not None:
            self.last_failure = f"{result.reason}: {result.detail}"
            if result.action == "stop":
                raise StoppedError(f"the endpoint refuses all requests, {self.last_failure}")
            if result.action == "retry":
                self._pause_for(result)
        return result

    def _wait_s(self, state: RetryCallState) -> float:
        """Return the wait before the next try: none after a wrong reply, and none where the rate limit is paused."""
        result = _result(state)
        return self._backoff(state) if isinstance(result, Failure) and result.wait_s is None else 0.0

    def _replies_of(self, key: str) -> int:
        return self._ledger.entries[key].replies if key in self._ledger.entries else 0

    async def _call(self, connection: Endpoint, asked: Request, *, seed_shift: int) -> Reply | Failure | None:
        """Make one call when rate and budget allow; None when the run is stopping."""
        most = request.input_tokens(asked) + self._settings.max_tokens
        await self._spending.reserve(most)
        await self._rate_limit.wait()
        spent = 0
        try:
            if self._stopping:
                return None
            self.calls += 1
            result = await connection.ask(request.body(asked, self._settings, seed_shift=seed_shift))
            if isinstance(result, Reply):
                usage = usage_of(asked, result)
                spent = usage["input_tokens"] + usage["output_tokens"]
            return result
        finally:
            await self._spending.settle(most, spent)

    def _write(self, asked: Request, key: str, reply: Reply, *, clean: Callable[[Any], Any]) -> str:
        """Write a reply to the ledger and return its outcome."""
        line = ledger_line(asked, key, self._settings, reply, clean=clean)
        self._ledger.append(line)
        self.replies += 1
        if self.replies % REPLIES_PER_LOG_LINE == 0:
            log.info("%d replies, %d tokens in the ledger", self.replies, self._ledger.tokens)
        return line["outcome"]

    def _pause_for(self, failure: Failure) -> None:
        """Hold all workers back for as long as the server asks (Retry-After)."""
        if failure.wait_s is None:
            return
        if failure.wait_s > LONGEST_PAUSE_S:
            raise StoppedError(f"the endpoint asks to wait {failure.wait_s:.0f} s, {self.last_failure}")
        # a little longer than asked: all clients of the account would come back in the same moment
        self._rate_limit.pause(failure.wait_s + self._settings.backoff_s * self._timing.jitter())

    def _give_up(self, asked: Request, key: str, failure: Failure) -> None:
        final = failure.action == "reject"
        self.rejects[key] = Reject(asked.request_id, failure.reason, failure.detail, final)
        log.warning("%s: given up: %s", asked.request_id, self.last_failure)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise StoppedError(f"{FAILED_IN_A_ROW} requests in a row failed, the last with {self.last_failure}")


def _unanswered(result: Reply | Failure | None) -> bool:
    """Return whether another try may help: after a wrong reply, and after a failure that may pass."""
    return isinstance(result, Reply) or (isinstance(result, Failure) and result.action == "retry")


def _result(state: RetryCallState) -> Reply | Failure | None:
    """Return what the last try returned; a try that raises ends the retries, so there is none of those here."""
    return state.outcome.result() if state.outcome else None
