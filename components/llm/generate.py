"""`generate` takes requests and returns an answer or a reject for each of them, in the same order."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from components.llm import ledger, request, schema
from components.llm.ledger import ANSWER, Ledger
from components.llm.rate_limit import Timing
from components.llm.request import Answer, Plan, Reject, Request, Rule, Settings, StoppedError
from components.llm.workers import Run

log = logging.getLogger(__name__)
Named = list[tuple[str, str]]  # request id and content key, in the order of the requests


def generate(
    requests: Iterable[Request],
    settings: Settings,
    *,
    rules: Mapping[str, Rule],
    ledger_path: Path,
    timing: Timing | None = None,
) -> Iterator[Answer | Reject]:
    """Answer each request, by the rule of its kind or by the endpoint (`settings.generator`).

    Every value satisfies its request's schema. The endpoint's replies stand in the ledger, and what stands there is
    not asked again: all asking is done when this returns, and the answers are then read from the file one by one.
    Rules cost nothing and may change with the code, so they are called while one iterates, and write no ledger.

    Args:
        requests: read once, as fast as they are asked.
        settings: the generator, its sampling, rate, retries and budget.
        rules: kind -> function that makes the answer from the request's facts.
        ledger_path: JSONL file, made when it is not there. It belongs outside the outputs of a DVC stage, which DVC
            deletes before a run.
        timing: clock, sleep and jitter of the waits between calls; by default the machine's.

    Returns:
        An iterator of answers and rejects.

    Raises:
        StoppedError: the run ended before everything was asked, because of the budget, the key, the endpoint or the
            ledger's lock. What was received is kept, and the same call asks for the rest.
        KeyError: a kind without a rule.
    """
    if settings.generator == "rules":
        return (_by_rule(asked, rules) for asked in requests)
    with ledger.opened(ledger_path) as replies:
        named, rejects = asyncio.run(_ask(requests, settings, replies, timing or Timing()))
    return _results(named, rejects, replies)


def all_settled(results: Iterable[Answer | Reject], *, what: str, ledger_path: Path) -> list[Answer | Reject]:
    """Return the results where no other run could change them: data must not depend on the state of a network.

    Args:
        results: as `generate` returns them.
        what: was asked for, for the message.
        ledger_path: of the ledger, likewise.

    Raises:
        StoppedError: a request failed in a way that another run may mend.
    """
    listed = list(results)
    if passing := [result for result in listed if isinstance(result, Reject) and not result.final]:
        first = passing[0]
        raise StoppedError(
            f"{len(passing)} of {len(listed)} requests for {what} got no answer, among them {first.request_id} "
            f"({first.reason}: {first.detail}); the answers to the others are in {ledger_path}, run again to ask for "
            "the rest"
        )
    return listed


def plan(requests: Iterable[Request], settings: Settings, *, ledger_path: Path) -> Plan:
    """Count what `generate` would ask, without a call and without writing; rules make no calls.

    Args:
        requests: as for `generate`.
        settings: as for `generate`.
        ledger_path: of the ledger; a file that is not there settles nothing.

    Returns:
        Counts of requests, calls and tokens.
    """
    replies, seen = ledger.load(ledger_path), set()
    count = settled = calls = tokens = 0
    for asked in requests:
        count += 1
        key = request.key_of(asked, settings)
        if key in seen:
            continue
        seen.add(key)
        if replies.done(key, tries=settings.tries):
            settled += 1
        elif settings.generator != "rules":
            calls += 1
            tokens += request.input_tokens(asked)
    return Plan(count, len(seen), settled, calls, tokens, calls * settings.max_tokens)


def _by_rule(asked: Request, rules: Mapping[str, Rule]) -> Answer | Reject:
    if asked.kind not in rules:
        raise KeyError(f"no rule for requests of kind {asked.kind!r}, there are rules for {sorted(rules)}")
    value = rules[asked.kind](asked)
    if value is None:
        return Reject(asked.request_id, "no_rule", f"the rule of {asked.kind} has no answer")
    try:
        schema.check(value, asked.schema)
    except ValueError as error:
        return Reject(asked.request_id, "wrong_schema", str(error))
    return Answer(asked.request_id, value)


async def _ask(
    requests: Iterable[Request], settings: Settings, replies: Ledger, timing: Timing
) -> tuple[Named, dict[str, Reject]]:
    """Ask what the ledger does not settle; return the requests' ids and keys, and content key -> reject of this run."""
    named: Named = []
    seen: set[str] = set()
    settled = 0

    def unsettled() -> Iterator[tuple[Request, str]]:
        nonlocal settled
        for asked in requests:
            key = request.key_of(asked, settings)
            named.append((asked.request_id, key))
            # the same question twice is one call, however many are under way
            if key not in seen:
                seen.add(key)
                if replies.done(key, tries=settings.tries):
                    settled += 1
                else:
                    yield asked, key

    waiting = unsettled()
    first = next(waiting, None)
    if first is None:
        # a rerun needs no endpoint, no key and no network
        log.info("%d requests: all of them are settled in %s", len(named), replies.path)
        return named, {}
    run = Run(settings, replies, timing)
    await run.ask_all(chain([first], waiting))
    log.info(
        "%d requests, %d of them distinct, %d settled before; %d calls, %d replies, %d tokens in %s so far; failed: %s",
        *(len(named), len(seen), settled, run.calls, run.replies, replies.tokens, replies.path),
        dict(Counter(reject.reason for reject in run.rejects.values())) or "none",
    )
    if run.rejects and not run.replies and not settled:
        raise StoppedError(f"no request was answered; the last failure was {run.last_failure}. {run.next_step()}")
    return named, run.rejects


def _results(named: Named, rejects: dict[str, Reject], replies: Ledger) -> Iterator[Answer | Reject]:
    for request_id, key in named:
        if key in rejects:
            failed = rejects[key]
            yield Reject(request_id, failed.reason, failed.detail, failed.final)
            continue
        line = replies.read(key)
        if line["outcome"] == ANSWER:
            yield Answer(request_id, line["value"], key)
        else:
            yield Reject(request_id, line["outcome"], line["detail"])
