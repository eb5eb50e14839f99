"""What a ledger keeps through torn lines, kills and neighbours."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import llm
from components.llm import ledger
from tests.components.llm.conftest import RULES, SETTINGS, ask, lines, values
from tests.components.llm.misbehaving import good

ASKING = """
import sys
from pathlib import Path
from components import llm
from tests.components.llm.conftest import RULES, SETTINGS, ask
settings = llm.Settings(**(SETTINGS.__dict__ | {"concurrency": 1}))
list(llm.generate(ask(*"abcdefg"), settings, rules=RULES, ledger_path=Path(sys.argv[1])))
"""


OUTCOMES = st.sampled_from(["answer", "refused", "wrong_schema"])


def line(key: str, outcome: str = "answer", tokens: int = 1) -> dict:
    return {"key": key, "outcome": outcome, "usage": {"input_tokens": tokens, "output_tokens": tokens}}


def test_a_killed_process_loses_no_reply_and_the_next_asks_for_the_rest(server, generate, ledger_path):
    asked_fourth = threading.Event()

    def fourth(handler, body):
        asked_fourth.set()
        server.closing.wait(30)
        handler.close_connection = True

    server.script = [good, good, good, fourth]
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", ASKING, str(ledger_path)], cwd=root)
    try:
        assert asked_fourth.wait(60)
    finally:
        # one worker: it has asked for the fourth, so three replies must be on disk by now
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert [entry["value"]["word"] for entry in lines(ledger_path)] == ["A", "B", "C"]
    assert values(generate(ask(*"abcdefg"))) == [{"word": letter} for letter in "ABCDEFG"]
    assert server.words == [*"abcd", *"defg"]


@pytest.mark.parametrize("kept_bytes", [1, 60, -1])
def test_a_torn_last_line_is_told_and_asked_again_and_harms_no_other(server, generate, ledger_path, caplog, kept_bytes):
    generate(ask("one", "two"))
    first, second = ledger_path.read_bytes().splitlines(keepends=True)
    ledger_path.write_bytes(first + second[:kept_bytes])
    whole = kept_bytes == -1  # only the newline is missing: the reply is all there
    assert ledger.load(ledger_path).torn == (not whole)
    assert len(generate(ask("one", "two", "three"))) == 3
    assert server.words == ["one", "two", *([] if whole else ["two"]), "three"]
    assert ("line 2 is torn" in caplog.text) is not whole
    book = ledger.load(ledger_path)
    assert (len(book.entries), book.replies, book.torn) == (3, 3, not whole)
    # append-only: what was there is there still
    assert ledger_path.read_bytes().startswith(first + second[:kept_bytes] + b"\n")


@given(st.lists(st.tuples(st.sampled_from("abc"), OUTCOMES), min_size=1, max_size=12), st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_any_cut_of_the_file_leaves_the_whole_lines_before_it(tmp_path_factory, written, cut):
    path = tmp_path_factory.mktemp("ledger") / "l.jsonl"
    with ledger.opened(path) as book:
        for key, outcome in written:
            book.append(line(key, outcome))
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    whole = written[: path.read_bytes().count(b"\n")]
    partly = path.read_bytes().rpartition(b"\n")[2]
    if partly.endswith(b"}}"):
        whole = written[: len(whole) + 1]
    with ledger.opened(path) as book:
        assert book.replies == len(whole)
        assert {key: entry.outcome for key, entry in book.entries.items()} == dict(whole)
        book.append(line("z"))
        assert book.read("z")["outcome"] == "answer"
        for key, outcome in dict(whole).items():
            assert book.read(key)["outcome"] == outcome
    assert ledger.load(path).replies == len(whole) + 1


def test_a_full_disk_tears_one_line_and_the_next_reply_is_whole(ledger_path, monkeypatch):
    write = os.write
    with ledger.opened(ledger_path) as book:
        book.append(line("a"))

        def full(file, data):
            if len(data) > 10:
                return write(file, bytes(data[:10]))
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", lambda file, data: full(file, data) if len(data) != 10 else full(file, b""))
        with pytest.raises(OSError, match="No space"):
            book.append(line("b"))
        monkeypatch.setattr(os, "write", write)
        book.append(line("c"))
        assert book.read("c") == line("c")
    again = ledger.load(ledger_path)
    assert (set(again.entries), again.torn) == ({"a", "c"}, 1)


def test_two_runs_do_not_share_a_ledger_at_once(server, generate, ledger_path):
    with ledger.opened(ledger_path), pytest.raises(llm.StoppedError, match="another run is adding to this ledger"):
        generate(ask("one"))
    assert server.calls == []
    assert len(generate(ask("one"))) == 1


def test_a_reply_is_on_disk_before_it_counts(ledger_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(ledger_path.stat().st_size), fsync(file)))
    with ledger.opened(ledger_path) as book:
        for key in "abc":
            book.append(line(key))
            assert synced[-1] == ledger_path.stat().st_size
    # one for the folder, one for each reply
    assert len(synced) == 4


def test_what_is_spent_is_the_sum_of_all_lines(ledger_path):
    with ledger.opened(ledger_path) as book:
        for key, outcome in (("a", "wrong_schema"), ("a", "wrong_schema"), ("a", "answer"), ("b", "refused")):
            book.append(line(key, outcome, tokens=5))
        assert (book.tokens, book.replies, book.entries["a"].replies) == (40, 4, 3)
    again = ledger.load(ledger_path)
    assert (again.tokens, again.entries) == (book.tokens, book.entries)
    assert again.done("a", tries=1) and again.done("b", tries=9) and not again.done("c", tries=1)


def test_keys_do_not_depend_on_the_order_of_a_schema(server, generate, ledger_path):
    (request,) = ask("one")
    turned = dict(reversed(request.schema.items()))
    generate([request])
    again = llm.Request("other", "word", request.system, request.user, turned)
    assert list(llm.generate([again], SETTINGS, rules=RULES, ledger_path=ledger_path))[0].request_id == "other"
    assert len(server.calls) == 1
    assert json.loads(ledger_path.read_text())["request_id"] == "id-0"
