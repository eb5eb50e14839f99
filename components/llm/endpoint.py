"""The one door to the network: a call of an OpenAI-compatible endpoint, and its reply or failure.

The address of the endpoint and its key come from the environment only (`OPENAI_BASE_URL`, `OPENAI_API_KEY`): neither
changes a result, and a key in a params file would end in git. The key is taken out of all that a server sends before
anybody sees it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import httpx

from components.llm.rate_limit import retry_after_s
from components.llm.request import StoppedError

BASE_URL, API_KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
MAX_REPLY_BYTES = 4 << 20  # an endless reply would fill the memory before its time is over
MIN_SECRET_LETTERS = 8  # servers without keys are given words such as EMPTY, which answers may contain
# every other request would fail in the same way: the key, the credit, the path or the model's name is wrong
FAIL_EVERY_REQUEST = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND)
MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True)
class Reply:
    """What the model wrote; it was paid for. Token counts are None where the server does not count."""

    text: str
    refused: bool
    cut_off: bool
    served_model: str
    input_tokens: int | None
    output_tokens: int | None
    took_s: float


@dataclass(frozen=True)
class Failure:
    """A call without a reply, and what follows: "retry" or "reject" this request, or "stop" the run.

    `wait_s` is what the server asks for by Retry-After, None where it does not.
    """

    action: Literal["retry", "reject", "stop"]
    reason: str
    detail: str
    wait_s: float | None = None


@dataclass(frozen=True)
class Endpoint:
    """An open connection pool to one endpoint; `secret` is its key."""

    client: httpx.AsyncClient
    timeout_s: float
    secret: str = field(repr=False)

    async def ask(self, body: dict) -> Reply | Failure:
        """Send the body of a chat completion and read the whole reply, within `timeout_s` seconds in all."""
        started_s = time.monotonic()
        try:
            # httpx's own timeouts start anew with every byte: a server that drips would hold a caller for ever
            async with asyncio.timeout(self.timeout_s):
                async with self.client.stream("POST", "chat/completions", content=json.dumps(body)) as response:
                    content = bytearray()
                    async for chunk in response.aiter_bytes():
                        content += chunk
                        if len(content) > MAX_REPLY_BYTES:
                            return Failure("retry", "too_large", f"a reply of more than {MAX_REPLY_BYTES} bytes")
        except TimeoutError:
            return Failure("retry", "timeout", f"no whole reply within {self.timeout_s:g} s")
        except httpx.RequestError as error:
            return Failure("retry", "connection", self.clean(f"{type(error).__name__}: {error}"))
        # a redirect has no body to speak of
        text = self.clean(content.decode("utf-8", errors="replace") or response.headers.get("location", ""))
        if response.status_code != HTTPStatus.OK:
            return _failure(response.status_code, response.headers, text)
        try:
            return self._reply(json.loads(text), time.monotonic() - started_s)
        except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError) as error:
            return Failure("retry", "bad_body", f"{type(error).__name__}: {error}; the body begins with {text[:200]!r}")

    def _reply(self, body: dict, took_s: float) -> Reply:
        choice = body["choices"][0]
        message, finish, usage = choice["message"], choice.get("finish_reason"), body.get("usage") or {}
        refused = bool(message.get("refusal")) or finish == "content_filter"
        return Reply(
            # cleaned once more, as the parsed answer is: each layer of JSON may write a letter of the key as an escape
            text=self.clean(str(message.get("refusal") or message.get("content") or "")),
            refused=refused,
            cut_off=finish == "length",
            served_model=self.clean(str(body.get("model", ""))),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            took_s=took_s,
        )

    def clean(self, value: Any) -> Any:
        """Return a JSON value with "[key]" in the place of the key."""
        if isinstance(value, str):
            return value.replace(self.secret, "[key]") if len(self.secret) >= MIN_SECRET_LETTERS else value
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if isinstance(value, dict):
            return {self.clean(name): self.clean(item) for name, item in value.items()}
        return value


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _failure(status: int, headers: Mapping[str, str], text: str) -> Failure:
    reason, detail = f"http_{status}", " ".join(text.split())[:500]
    if status in MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure("retry", reason, detail, retry_after_s(headers))
    # a redirect is not followed: it would take the key to another host
    if status in FAIL_EVERY_REQUEST or status < HTTPStatus.BAD_REQUEST:
        return Failure("stop", reason, detail)
    return Failure("reject", reason, detail)


@asynccontextmanager
async def connect(*, timeout_s: float) -> AsyncGenerator[Endpoint, None]:
    """Open the endpoint that the environment names.

    Args:
        timeout_s: for each whole call.

    Yields:
        The endpoint.

    Raises:
        StoppedError: the address or the key cannot be used (the message never shows the key).
    """
    address, secret = os.environ.get(BASE_URL, "").strip(), os.environ.get(API_KEY, "").strip()
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise StoppedError(f"{BASE_URL} is no URL ({error}); set it to one like http://127.0.0.1:8000/v1") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise StoppedError(
            f"{BASE_URL} is not set, or not like http://127.0.0.1:8000/v1 (no user, no query; a key belongs into "
            f"{API_KEY}); set it, or set llm.generator to rules in params/data.yaml"
        )
    if not all("!" <= letter <= "~" for letter in secret):
        raise StoppedError(f"{API_KEY} has characters that no HTTP header can carry; set it anew")
    # its lines at level info would name every one of a million calls
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
    # the whole call has its clock, and as many calls as there are workers may be open
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=None, limits=limits) as client:
        yield Endpoint(client, timeout_s, secret)
