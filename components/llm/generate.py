"""The one call: requests in; an answer or a reject for each of them out, in the same order."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from components.llm import ledger, request, schema
from components.llm.asking import Run
from components.llm.ledger import ANSWER, Ledger
from components.llm.pace import Timing
from components.llm.request import Answer, Plan, Reject, Request, Rule, Settings, StoppedError

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
    Rules cost nothing and may change with the code, so theirs are made as one iterates and leave the ledger alone.

    Args:
        requests: read once, as fast as they are asked.
        rules: kind -> function that gives the answer from the request's facts.
        ledger_path: JSONL file, made when it is not there. It belongs outside the outputs of a DVC stage, which DVC
            deletes before a run.
        timing: clock, sleep and dice of the waits between calls.

    Raises:
        StoppedError: before everything was asked: the budget, the key, the endpoint or the ledger's lock. What was
            received is kept; the same call asks for the rest.
        KeyError: a kind without a rule.
    """
    if settings.generator == "rules":
        return (_by_rule(asked, rules) for asked in requests)
    with ledger.opened(ledger_path) as book:
        named, rejects = asyncio.run(_ask(requests, settings, book, timing or Timing()))
    return _results(named, rejects, book)


def plan(requests: Iterable[Request], settings: Settings, *, ledger_path: Path) -> Plan:
    """Say what `generate` would ask; calls nobody, writes nothing. Rules ask nobody."""
    book, seen = ledger.load(ledger_path), set()
    count = settled = calls = tokens = 0
    for asked in requests:
        count += 1
        key = request.key_of(asked, settings)
        if key in seen:
            continue
        seen.add(key)
        if book.done(key, tries=settings.tries):
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
    requests: Iterable[Request], settings: Settings, book: Ledger, timing: Timing
) -> tuple[Named, dict[str, Reject]]:
    """Ask for all that the ledger does not settle; give what was asked, and content key -> reject of this run."""
    named: Named = []
    seen: set[str] = set()
    settled = 0

    def unsettled() -> Iterator[tuple[Request, str]]:
        nonlocal settled
        for asked in requests:
            key = request.key_of(asked, settings)
            named.append((asked.request_id, key))
            # the same question twice in a batch is one call, however many are under way
            if key not in seen:
                seen.add(key)
                if book.done(key, tries=settings.tries):
                    settled += 1
                else:
                    yield asked, key

    waiting = unsettled()
    first = next(waiting, None)
    if first is None:
        # a rerun needs no endpoint, no key and no network
        log.info("%d requests: all of them are settled in %s", len(named), book.path)
        return named, {}
    run = Run(settings, book, timing)
    await run.all(chain([first], waiting))
    log.info(
        "%d requests, %d of them distinct, %d settled before; %d calls, %d replies, %d tokens in %s so far; failed: %s",
        *(len(named), len(seen), settled, run.calls, run.replies, book.tokens, book.path),
        dict(Counter(reject.reason for reject in run.rejects.values())) or "none",
    )
    if run.rejects and not run.replies and not settled:
        raise StoppedError(f"no request was answered; the last failure was {run.last_failure}. {run.kept()}")
    return named, run.rejects


def _results(named: Named, rejects: dict[str, Reject], book: Ledger) -> Iterator[Answer | Reject]:
    for request_id, key in named:
        if key in rejects:
            failed = rejects[key]
            yield Reject(request_id, failed.reason, failed.detail, failed.final)
            continue
        line = book.read(key)
        if line["outcome"] == ANSWER:
            yield Answer(request_id, line["value"], key)
        else:
            yield Reject(request_id, line["outcome"], line["detail"])
