"""Waits that the server asks for, requests per minute, and the budget: on a clock that does not wait."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState

from components import llm, params
from components.llm.rate_limit import RateLimit, Timing, backoff, retry_after_s
from tests.components.llm.conftest import ask, lines
from tests.components.llm.misbehaving import good, says, slow, status


def test_retry_after_in_seconds_is_honoured(server, generate, clock):
    server.script = [status(429, Retry_After="17")]
    generate(ask("one"))
    assert (clock.slept_s, len(server.calls)) == ([17.0], 2)


def test_retry_after_as_a_date_is_counted_on_the_servers_clock(server, generate, clock):
    def years_behind(handler, _):
        handler.date_time_string = lambda *_: formatdate(1e9, usegmt=True)
        handler.send(503, b"", Retry_After=formatdate(1e9 + 42, usegmt=True))

    server.script = [years_behind]
    generate(ask("one"))
    assert (clock.slept_s, len(server.calls)) == ([42.0], 2)


def test_a_held_account_holds_every_worker(server, generate, clock):
    starts_s = []

    def noting(handler, body):
        starts_s.append(clock.now_s)
        good(handler, body)

    # the other worker's call is under way while the first hears of the limit
    server.script, server.otherwise = [status(429, Retry_After="30"), slow(0.5)], noting
    generate(ask(*map(str, range(6))), concurrency=2)
    assert (len(server.calls), len(starts_s)) == (7, 5)
    assert min(starts_s) >= 1030.0


def test_waits_are_spread_by_jitter(server, generate, clock):
    clock.jitter = 0.5
    server.script = [status(500), status(500), status(429, Retry_After="10")]
    generate(ask("one"))
    assert clock.slept_s == [0.75, 1.5, 10.5]


def test_a_wait_of_hours_stops_the_run(server, generate):
    server.script = [good, status(429, "daily quota", Retry_After="40000")]
    with pytest.raises(llm.StoppedError, match="asks to wait 40000 s, http_429: daily quota.*1 replies are kept"):
        generate(ask("one", "two", "three"))
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "١٢"}, None),
        ({"retry-after": formatdate(100, usegmt=True), "date": formatdate(160, usegmt=True)}, 0.0),
        ({"retry-after": formatdate(160, usegmt=True), "date": "never"}, 60.0),
    ],
)
def test_every_form_of_retry_after(headers, wait_s):
    assert retry_after_s(headers, now=datetime.fromtimestamp(100, UTC)) == wait_s


@pytest.mark.parametrize("concurrency", [1, 4])
def test_calls_start_no_faster_than_allowed(server, generate, concurrency):
    started_s = time.monotonic()
    generate(ask(*map(str, range(5))), requests_per_minute=300, concurrency=concurrency)
    assert len(server.calls) == 5 and time.monotonic() - started_s >= 4 * 0.2


def test_no_two_calls_start_together_and_none_in_a_pause_nor_all_at_its_end():
    async def five() -> list[float]:
        limit, starts_s = RateLimit(Timing(), per_minute=600), []

        async def start() -> None:
            await limit.wait()
            starts_s.append(time.monotonic())
            if len(starts_s) == 2:
                limit.pause(0.5)

        await asyncio.gather(*(start() for _ in range(5)))
        return starts_s

    starts_s = asyncio.run(five())
    gaps_s = [later - earlier for earlier, later in zip(starts_s, starts_s[1:], strict=False)]
    assert min(gaps_s) >= 0.1 - 1e-3 and gaps_s[1] >= 0.5


def test_a_budget_of_calls_stops_and_keeps_what_was_answered(server, generate, ledger_path):
    words = ask("one", "two", "three")
    with pytest.raises(llm.StoppedError, match=r"2 calls of llm.budget.calls = 2. 2 replies are kept in .*jsonl"):
        generate(words, budget=llm.Budget(calls=2))
    assert (server.words, len(lines(ledger_path))) == (["one", "two"], 2)
    # the budget is the ledger's: to start again is not to get it again
    with pytest.raises(llm.StoppedError, match="llm.budget.calls = 2"):
        generate(words, budget=llm.Budget(calls=2))
    assert len(server.calls) == 2
    assert len(generate(words, budget=llm.Budget(calls=3))) == 3
    assert server.words == ["one", "two", "three"]


def test_failed_calls_count(server, generate):
    server.otherwise = status(500)
    with pytest.raises(llm.StoppedError, match="llm.budget.calls = 3"):
        generate(ask("one"), budget=llm.Budget(calls=3))
    assert len(server.calls) == 3


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_budget_of_tokens_is_never_exceeded_and_used_up(server, generate, ledger_path, concurrency):
    server.otherwise = slow(0.02)
    with pytest.raises(llm.StoppedError, match="tokens of llm.budget.tokens = 300, and the next call may need"):
        generate(ask(*map(str, range(20))), budget=llm.Budget(tokens=300), concurrency=concurrency)
    # a reply costs 40; the last call that fits by its most, (53 or so in, 50 out), starts at 160 or 200
    spent = sum(sum(line["usage"][name] for name in ("input_tokens", "output_tokens")) for line in lines(ledger_path))
    assert len(server.calls) == len(lines(ledger_path)) == spent / 40
    assert 200 <= spent <= 300


def test_tokens_are_estimated_where_the_server_does_not_count(server, generate, ledger_path):
    server.otherwise = says('{"word": "twenty letters or so"}', usage=None)
    generate(ask("one"))
    usage = lines(ledger_path)[0]["usage"]
    assert usage["estimated"] and usage["output_tokens"] == 8 and usage["input_tokens"] > 10


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OPENAI_BASE_URL", "", "OPENAI_BASE_URL is not set"),
        ("OPENAI_BASE_URL", "ftp://x/v1", "OPENAI_BASE_URL is not set, or not like"),
        ("OPENAI_BASE_URL", "http://me:word-of-mine@127.0.0.1/v1", "no user"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:port/v1", "OPENAI_BASE_URL is no URL"),
        ("OPENAI_API_KEY", "word-of-mine\nx", "characters that no HTTP header can carry"),
        ("OPENAI_API_KEY", "word-of-mine-é", "characters that no HTTP header can carry"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_is_told_before_any_call(server, generate, monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)
    with pytest.raises(llm.StoppedError, match=says) as stopped:
        generate(ask("one"))
    assert "word-of-mine" not in str(stopped.value)
    assert server.calls == []


def test_a_key_may_end_in_a_newline_or_be_missing(server, generate, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-long-key\r\n")
    generate(ask("one"))
    monkeypatch.delenv("OPENAI_API_KEY")
    generate(ask("two"))
    assert [headers.get("Authorization") for headers in server.headers] == ["Bearer some-long-key", None]


def test_settings_come_from_the_params_file():
    block = params.load(Path("params/data.yaml"), params.Data).llm.model_dump()
    settings = llm.settings_of(block)
    assert (settings.generator, settings.budget.calls) == ("rules", 10000)
    assert settings.sampling == {"temperature": 0.7, "seed": 0, "max_completion_tokens": 2048}
    assert set(vars(settings)) == set(block)


def test_an_endpoint_without_a_model_is_refused_at_the_door():
    block = params.load(Path("params/data.yaml"), params.Data).llm.model_dump()
    with pytest.raises(ValueError, match="generator openai needs `model`"):
        params.Llm(**block | {"generator": "openai"})


@given(st.integers(1, 1000), st.floats(0.001, 10), st.floats(0, 1, exclude_max=True))
def test_a_wait_doubles_to_a_minute_and_jitter_takes_at_most_half(tries, base_s, jitter):
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})
    state.attempt_number = tries
    whole_s = min(60.0, base_s * 2 ** (tries - 1))
    assert whole_s / 2 <= backoff(base_s, lambda: jitter)(state) <= whole_s


def test_a_wrong_reply_is_asked_again_at_once_and_a_failure_after_a_wait(server, generate, clock):
    server.script = [says('{"word": 3}'), status(500), says("no"), good]
    generate(ask("one"))
    assert (clock.slept_s, len(server.calls)) == ([2.0], 4)
    # only replies move the seed: a failed call was never answered
    assert [call["seed"] for call in server.calls] == [3, 4, 4, 5]
