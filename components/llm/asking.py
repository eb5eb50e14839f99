"""One run against an endpoint: workers that take requests, pace, pay, try again, and write every reply down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from components.llm import endpoint, pace, request, schema
from components.llm.budget import Purse
from components.llm.endpoint import Endpoint, Failure, Reply
from components.llm.ledger import ANSWER, FINAL, REFUSED, Ledger
from components.llm.request import Reject, Request, Settings, StoppedError

FAILED_IN_A_ROW = 20  # requests given up without one reply between them: the endpoint is down, the rest can wait
WAIT_MAX_S = 900.0  # a longer Retry-After is a quota of the day, not a crowd
NEWS = 100  # replies between two lines of the log

log = logging.getLogger(__name__)


class Run:
    """The state that the workers of one run share. `rejects` has content key -> reject of what this run gave up."""

    def __init__(self, settings: Settings, book: Ledger, timing: pace.Timing) -> None:
        self.rejects: dict[str, Reject] = {}
        self.replies = self.calls = 0
        self.last_failure = ""
        self._settings, self._book, self._timing = settings, book, timing
        self._pace = pace.Pace(timing, per_minute=settings.requests_per_minute)
        self._purse = Purse(settings.budget, calls=book.replies, tokens=book.tokens)
        self._failed_in_a_row = 0
        self._stopping = False

    async def all(self, waiting: Iterator[tuple[Request, str]]) -> None:
        """Ask every request; `concurrency` workers take them from one iterator.

        Raises:
            StoppedError: the run cannot go on; calls under way have ended and their replies are written.
        """
        async with endpoint.connect(timeout_s=self._settings.timeout_s) as there:
            workers = [asyncio.create_task(self._work(there, waiting)) for _ in range(self._settings.concurrency)]
            _, under_way = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            # no cancelling: what is under way is paid for
            self._stopping = True
            if under_way:
                await asyncio.wait(under_way)
        errors = [error for worker in workers if (error := worker.exception())]
        # one that nobody expected comes before a stop, and as it is
        for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
            if isinstance(error, StoppedError):
                raise StoppedError(f"{error}. {self.kept()}") from error
            raise error

    def kept(self) -> str:
        """Say what a person who reads an error wants to know next."""
        return (
            f"{self._book.replies} replies are kept in {self._book.path}; mend it (llm in params/data.yaml, "
            f"{endpoint.BASE_URL} and {endpoint.API_KEY} in the environment) and run again: only the rest is asked"
        )

    async def _work(self, there: Endpoint, waiting: Iterator[tuple[Request, str]]) -> None:
        for asked, key in waiting:
            await self._answer(there, asked, key)
            if self._stopping:
                return

    async def _answer(self, there: Endpoint, asked: Request, key: str) -> None:
        """Call until there is an answer, a refusal, or no try left."""
        before = self._book.entries[key].replies if key in self._book.entries else 0
        failures = wrong = 0
        failure = None
        while before + wrong + failures < self._settings.tries:
            if failure and failure.wait_s is None:
                dice = self._timing.dice()
                await self._timing.sleep(pace.backoff_s(failures, base_s=self._settings.backoff_s, dice=dice))
            said = await self._call(there, asked, shift=before + wrong)
            if said is None:
                return
            if isinstance(said, Reply):
                self._failed_in_a_row, failure = 0, None
                if self._write(asked, key, said, clean=there.clean) in FINAL:
                    return
                wrong += 1
                continue
            failures, failure = failures + 1, said
            self.last_failure = f"{said.reason}: {said.detail}"
            if said.todo == "stop":
                raise StoppedError(f"the endpoint refuses all requests, {self.last_failure}")
            if said.todo == "reject":
                break
            self._heed(said)
        if failure:
            self._give_up(asked, key, failure)

    async def _call(self, there: Endpoint, asked: Request, *, shift: int) -> Reply | Failure | None:
        """Make one call when pace and budget allow; None when the run is stopping."""
        most = request.input_tokens(asked) + self._settings.max_tokens
        await self._purse.take(most)
        await self._pace.turn()
        spent = 0
        try:
            if self._stopping:
                return None
            self.calls += 1
            said = await there.ask(request.body(asked, self._settings, shift=shift))
            if isinstance(said, Reply):
                usage = _usage(asked, said)
                spent = usage["input_tokens"] + usage["output_tokens"]
            return said
        finally:
            await self._purse.settle(most, spent)

    def _write(self, asked: Request, key: str, reply: Reply, *, clean: Callable[[object], object]) -> str:
        """Judge a reply and write it to the ledger; give the outcome."""
        value, detail = None, ""
        if reply.refused:
            outcome, detail = REFUSED, reply.text[:500]
        elif reply.cut_off:
            outcome, detail = "cut_off", f"longer than llm.max_tokens = {self._settings.max_tokens}"
        else:
            try:
                outcome, value = ANSWER, clean(schema.read(reply.text, asked.schema))
            except ValueError as error:
                outcome, detail = "wrong_schema", clean(str(error))
        self._book.append(
            {
                "key": key,
                "outcome": outcome,
                **request.trace(asked, self._settings),
                "value": value,
                "detail": detail,
                # an answer's text is its value; of anything else the text is all there is
                "text": None if outcome == ANSWER else reply.text,
                "served_model": reply.served_model,
                "usage": _usage(asked, reply),
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "took_s": round(reply.took_s, 3),
            }
        )
        self.replies += 1
        if self.replies % NEWS == 0:
            log.info("%d replies, %d tokens in the ledger", self.replies, self._book.tokens)
        return outcome

    def _heed(self, failure: Failure) -> None:
        """Do as Retry-After says."""
        if failure.wait_s is None:
            return
        if failure.wait_s > WAIT_MAX_S:
            raise StoppedError(f"the endpoint asks to wait {failure.wait_s:.0f} s, {self.last_failure}")
        # everybody waits, and a little longer than told: all would come back in the same moment
        self._pace.hold(failure.wait_s + self._settings.backoff_s * self._timing.dice())

    def _give_up(self, asked: Request, key: str, failure: Failure) -> None:
        final = failure.todo == "reject"
        self.rejects[key] = Reject(asked.request_id, failure.reason, failure.detail, final)
        log.warning("%s: given up: %s", asked.request_id, self.last_failure)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise StoppedError(f"{FAILED_IN_A_ROW} requests in a row failed, the last with {self.last_failure}")


def _usage(asked: Request, reply: Reply) -> dict:
    """Return the tokens of a reply; estimated where the server does not count, so that a budget ends all the same."""
    told = reply.input_tokens is not None and reply.output_tokens is not None
    return {
        "input_tokens": reply.input_tokens if told else request.input_tokens(asked),
        "output_tokens": reply.output_tokens if told else request.tokens(reply.text),
        "estimated": not told,
    }
