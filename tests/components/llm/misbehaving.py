"""An endpoint on a free port of this machine that misbehaves as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-test-0123456789abcdef"
USAGE = {"prompt_tokens": 30, "completion_tokens": 10}

Behaviour = Callable[["Handler", dict], None]


class Handler(BaseHTTPRequestHandler):
    """One call: noted, counted while it is under way, and answered by the next behaviour of the script."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        at = self.server.at
        with at.lock:
            at.calls.append(body)
            at.headers.append(dict(self.headers) | {"path": self.path})
            at.under_way += 1
            at.most_under_way = max(at.most_under_way, at.under_way)
            behaviour = at.script.pop(0) if at.script else at.otherwise
        try:
            behaviour(self, body)
        finally:
            with at.lock:
                at.under_way -= 1

    def send(self, status: int, content: bytes, *, length: int | None = None, **headers: str) -> None:
        with self.server.at.lock:
            # before the last byte: the client may call again before this thread goes on
            self.server.at.under_way -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        with self.server.at.lock:
            self.server.at.under_way += 1

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def said(text: str | None, *, finish: str = "stop", refusal: str | None = None, usage: dict | None = USAGE) -> bytes:
    message = {"role": "assistant", "content": text, "refusal": refusal}
    body = {"model": "tiny-0.1", "choices": [{"message": message, "finish_reason": finish}]}
    return json.dumps(body | ({"usage": usage} if usage else {})).encode()


def good(handler: Handler, body: dict) -> None:
    handler.send(200, said(json.dumps({"word": body["messages"][1]["content"].upper()})))


def says(text: str | None, **how: object) -> Behaviour:
    return lambda handler, _: handler.send(200, said(text, **how))


def status(code: int, text: str = "{}", **headers: str) -> Behaviour:
    return lambda handler, _: handler.send(code, text.encode(), **headers)


def slow(seconds: float) -> Behaviour:
    def behave(handler: Handler, body: dict) -> None:
        time.sleep(seconds)
        good(handler, body)

    return behave


def hang(handler: Handler, _: dict) -> None:
    handler.server.at.closing.wait(30)
    handler.close_connection = True


def drip(handler: Handler, _: dict) -> None:
    handler.send(200, b" ", length=1000)
    while not handler.server.at.closing.wait(0.05):
        try:
            handler.wfile.write(b" ")
        except OSError:
            break
    handler.close_connection = True


def drop(handler: Handler, _: dict) -> None:
    handler.send(200, said('{"word": "lost"}')[:40], length=400)
    handler.close_connection = True


def cut_json(handler: Handler, _: dict) -> None:
    handler.send(200, said('{"word": "lost"}')[:-7])


@dataclass
class Server:
    """What the endpoint heard, and what it will do: the behaviours of `script` in turn, then `otherwise`."""

    url: str = ""
    script: list[Behaviour] = field(default_factory=list)
    otherwise: Behaviour = good
    calls: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def words(self) -> list[str]:
        return [call["messages"][1]["content"] for call in self.calls]


@contextmanager
def listening() -> Iterator[Server]:
    """Serve from threads of this process until the block ends; calls that hang are let go then."""
    at = Server()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads, listener.at = True, at
    at.url = f"http://127.0.0.1:{listener.server_port}/v1"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield at
    finally:
        at.closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()
