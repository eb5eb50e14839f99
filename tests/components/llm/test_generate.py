"""What is asked, how often, and what is never asked again."""

import json
import re

import pytest

from components import llm
from tests.components.llm.conftest import SCHEMA, SETTINGS, ask, lines, values
from tests.components.llm.misbehaving import KEY, cut_json, drip, drop, good, hang, says, slow, status

WORDS = [{"word": "ONE"}, {"word": "TWO"}, {"word": "THREE"}]


def test_rules_answer_in_order_without_ledger_or_network(generate, ledger_path):
    results = generate(ask("one", "two", "three"), generator="rules")
    assert values(results) == WORDS
    assert [result.request_id for result in results] == ["id-0", "id-1", "id-2"]
    assert not ledger_path.exists()


def test_a_rule_without_answer_or_with_a_wrong_one_rejects(ledger_path):
    rules = {"word": {"one": None, "two": {"word": 2}, "three": {"word": "3"}}}
    results = llm.generate(
        ask("one", "two", "three"),
        llm.Settings(),
        rules={"word": lambda request: rules["word"][request.user]},
        ledger_path=ledger_path,
    )
    assert values(list(results)) == ["no_rule", "wrong_schema", {"word": "3"}]
    with pytest.raises(KeyError, match="no rule for requests of kind 'word', there are rules for"):
        list(llm.generate(ask("one"), llm.Settings(), rules={"other": str}, ledger_path=ledger_path))


def test_the_endpoint_is_asked_once_for_each_request_and_never_again(server, generate, monkeypatch):
    assert values(generate(ask("one", "two", "three"))) == WORDS
    assert server.words == ["one", "two", "three"]
    call = server.calls[0]
    assert (call["model"], call["temperature"], call["seed"], call["max_completion_tokens"]) == ("tiny", 0.5, 3, 50)
    wanted = call["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("word", True)
    assert wanted["schema"] == SCHEMA | {"properties": {"word": {"type": "string"}}}
    assert (server.headers[0]["path"], server.headers[0]["Authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    # a rerun does not even need an endpoint
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert values(generate(ask("three", "one", "two", "one"))) == [WORDS[2], WORDS[0], WORDS[1], WORDS[0]]
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    "changed", [{"model": "other"}, {"temperature": None}, {"top_p": 0.9}, {"seed": 4}, {"max_tokens": 60}]
)
def test_another_model_or_sampling_is_another_answer(server, generate, changed):
    generate(ask("one"))
    generate(ask("one"), **changed)
    assert len(server.calls) == 2
    generate(ask("one"), timeout_s=9.0, concurrency=3, tries=2, requests_per_minute=100, backoff_s=9.0)
    assert len(server.calls) == 2


def test_each_answer_can_be_traced(server, generate, ledger_path):
    (answer,) = generate(ask("one"))
    (line,) = lines(ledger_path)
    assert line["key"] == answer.key
    assert (line["system"], line["user"], line["schema"], line["kind"]) == ("Say it loud.", "one", SCHEMA, "word")
    assert (line["model"], line["served_model"]) == ("tiny", "tiny-0.1")
    assert line["sampling"] == {"temperature": 0.5, "seed": 3, "max_completion_tokens": 50}
    assert line["usage"] == {"input_tokens": 30, "output_tokens": 10, "estimated": False}
    assert line["time"].endswith("+00:00") and line["took_s"] >= 0


def test_the_same_question_under_way_is_asked_once(server, generate):
    server.otherwise = slow(0.1)
    results = generate(ask(*["one", "two"] * 10), concurrency=8)
    assert values(results) == WORDS[:2] * 10
    assert sorted(server.words) == ["one", "two"]


@pytest.mark.parametrize("bound", [1, 3])
def test_never_more_calls_under_way_than_allowed(server, generate, bound):
    server.otherwise = slow(0.03)
    generate(ask(*map(str, range(12))), concurrency=bound)
    assert server.most_under_way == bound
    assert len(server.calls) == 12


@pytest.mark.parametrize(
    "trouble",
    [status(500), status(429), status(503, "<html>"), drop, cut_json],
    ids=["500", "429", "503", "drop", "cut_json"],
)
def test_what_passes_is_tried_again_with_growing_waits(server, generate, clock, ledger_path, trouble):
    server.script = [trouble] * 3
    assert values(generate(ask("one"))) == WORDS[:1]
    assert len(server.calls) == 4
    assert clock.slept_s == [1.0, 2.0, 4.0]
    assert [line["outcome"] for line in lines(ledger_path)] == ["answer"]


@pytest.mark.parametrize("trouble", [hang, drip])
def test_a_server_that_does_not_end_is_left_on_the_clock(server, generate, trouble):
    server.script = [trouble]
    assert values(generate(ask("one"), timeout_s=0.3)) == WORDS[:1]
    assert len(server.calls) == 2


def test_a_request_without_luck_is_rejected_and_asked_again_by_the_next_run(server, generate):
    server.script = [good, *[status(500, "out of memory")] * 3]
    first, second, third = generate(ask("one", "two", "three"), tries=3)
    assert (first.value, third.value) == (WORDS[0], WORDS[2])
    assert second == llm.Reject("id-1", "http_500", "out of memory", final=False)
    assert len(server.calls) == 5
    assert values(generate(ask("one", "two", "three"))) == WORDS
    assert server.words[5:] == ["two"]


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (says('{"word": 3}'), "wrong_schema", r"at \$.word: 3 is not of type 'string'"),
        (says('{"word": ""}'), "wrong_schema", r"at \$.word: '' should be non-empty"),
        (says('{"word": "x"'), "wrong_schema", "Expecting ',' delimiter"),
        (says('{"word": NaN}'), "wrong_schema", "NaN is no JSON number"),
        (says('{"word": "\\ud800"}'), "wrong_schema", "surrogates not allowed"),
        (says("[" * 100_000), "wrong_schema", "nested too deep"),
        (says(None), "wrong_schema", "Expecting value"),
        (says('{"word": "x', finish="length"), "cut_off", "longer than llm.max_tokens = 50"),
    ],
)
def test_a_wrong_answer_is_paid_for_so_often_and_then_rejected_for_good(
    server, generate, ledger_path, clock, reply, reason, detail
):
    server.otherwise = reply
    (reject,) = generate(ask("one"), tries=3)
    assert (reject.reason, reject.final) == (reason, True)
    assert re.search(detail, reject.detail), reject.detail
    assert [call["seed"] for call in server.calls] == [3, 4, 5]
    assert [line["outcome"] for line in lines(ledger_path)] == [reason] * 3
    assert clock.slept_s == []
    # three tries were paid for; whoever wants a fourth says so, and pays for one
    assert generate(ask("one"), tries=3) == [reject]
    assert len(server.calls) == 3
    server.otherwise = good
    assert values(generate(ask("one"), tries=4)) == WORDS[:1]
    assert len(server.calls) == 4


@pytest.mark.parametrize("reply", [says(None, refusal="I must not."), says("I must not.", finish="content_filter")])
def test_a_refusal_ends_the_matter(server, generate, reply):
    server.script = [reply]
    assert generate(ask("one")) == [llm.Reject("id-0", "refused", "I must not.")]
    generate(ask("one"))
    assert len(server.calls) == 1


def test_a_request_that_the_server_will_not_take_is_rejected_and_the_others_go_on(server, generate):
    server.script = [good, status(400, '{"error": "too long"}')]
    results = generate(ask("one", "two", "three"))
    assert values(results) == [WORDS[0], "http_400", WORDS[2]]
    assert (results[1].final, len(server.calls)) == (True, 3)


@pytest.mark.parametrize("code", [401, 402, 404, 302])
def test_what_every_request_would_meet_stops_the_run_and_keeps_what_came(server, generate, ledger_path, code):
    server.script = [good, status(code, f"bad key {KEY}")]
    with pytest.raises(llm.StoppedError, match=rf"http_{code}: bad key \[key\].*1 replies are kept") as stopped:
        generate(ask("one", "two", "three"))
    assert KEY not in str(stopped.value)
    assert len(server.calls) == 2
    assert values(generate(ask("one", "two", "three"))) == WORDS
    assert server.words[2:] == ["two", "three"]


def test_an_endpoint_that_is_down_ends_the_run_early(server, generate):
    server.otherwise = status(500)
    with pytest.raises(llm.StoppedError, match="20 requests in a row failed, the last with http_500"):
        generate(ask(*map(str, range(100))), tries=2)
    assert len(server.calls) == 40


def test_no_answer_at_all_is_no_result(server, generate):
    server.otherwise = status(400, "response_format is unknown")
    with pytest.raises(llm.StoppedError, match="no request was answered.*http_400: response_format is unknown"):
        generate(ask("one", "two"))


def test_nobody_listens(generate, monkeypatch, clock):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(llm.StoppedError, match="no request was answered.*connection: ConnectError"):
        generate(ask("one"), tries=3)
    assert clock.slept_s == [1.0, 2.0]


def test_the_key_is_nowhere_but_in_the_header(server, generate, ledger_path, caplog):
    caplog.set_level("DEBUG")
    server.script = [
        status(500, f"no {KEY}"),
        says(json.dumps({"word": KEY})),
        says(json.dumps({"word": KEY}).replace("sk-", "\\u0073k-")),
        says(None, refusal=f"not for {KEY}"),
        status(400, f"{KEY}?"),
    ]
    results = generate(ask("one", "two", "three", "four"))
    written = ledger_path.read_text() + caplog.text + str(results)
    assert len(server.calls) == 5 and all(KEY in headers["Authorization"] for headers in server.headers)
    assert KEY not in written and KEY[3:] not in written
    assert written.count("[key]") >= 4


def test_what_a_run_would_cost_is_told_without_a_call(server, generate, ledger_path):
    generate(ask("one", "two"))
    before = ledger_path.read_bytes()
    asked = ask("one", "two", "three", "four", "four")
    planned = llm.plan(asked, SETTINGS, ledger_path=ledger_path)
    assert (planned.requests, planned.distinct, planned.in_ledger, planned.calls) == (5, 4, 2, 2)
    assert planned.output_tokens == 100
    assert planned.input_tokens == pytest.approx(2 * (len("Say it loud.four") + len(json.dumps(SCHEMA))) / 4, abs=3)
    assert "2 calls, about" in str(planned)
    assert (len(server.calls), ledger_path.read_bytes()) == (2, before)
    assert llm.plan(asked, llm.Settings(), ledger_path=ledger_path / "none").calls == 0
