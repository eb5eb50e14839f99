"""The records of text generation (request, settings, answer, reject), and the content key that names a reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.llm.schema import decodable

_BYTES_PER_TOKEN = 4  # of English text in the usual vocabularies, roughly
TOKENS_PER_IMAGE = 256  # of a small frame; servers count by the pixels, each in its own way


@dataclass(frozen=True, eq=False)
class Request:
    """One question to a text generator.

    `schema` (JSON Schema) is what the answer must satisfy. `images` are data URIs that stand before `user`, for a model
    that sees: they are part of the question, and the ledger keeps their digests alone. `facts` are for the rule of this
    `kind`: they are not sent and do not name the reply, so what the prompt does not say cannot matter to a model.
    """

    request_id: str
    kind: str
    system: str
    user: str
    schema: dict
    facts: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = ()


Rule = Callable[[Request], object]  # returns the answer as a JSON value; None where the rule has none


@dataclass(frozen=True)
class Budget:
    """What a ledger may cost over all runs; None sets no limit."""

    calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Settings:
    """The block `llm` of params/data.yaml; meaning and units stand in components/params."""

    generator: str = "rules"
    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int = 1024
    concurrency: int = 8
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    tries: int = 5
    backoff_s: float = 1.0
    budget: Budget = Budget()

    @property
    def sampling(self) -> dict:
        """The values that change a reply besides prompt, schema and model, by their names in the protocol."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "max_completion_tokens": self.max_tokens,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """A value that satisfies its request's schema; `key` finds the reply in the ledger, None for a rule."""

    request_id: str
    value: Any
    key: str | None = None


@dataclass(frozen=True)
class Reject:
    """A request without an answer. Where `final` is false, another run asks again: the network or the server failed."""

    request_id: str
    reason: str
    detail: str
    final: bool = True


@dataclass(frozen=True)
class Plan:
    """What a run would ask: counts of requests, and tokens (input is estimated, output is the most there can be)."""

    requests: int
    distinct: int
    in_ledger: int
    calls: int
    input_tokens: int
    output_tokens: int

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.distinct} of them distinct, {self.in_ledger} in the ledger: "
            f"{self.calls} calls, about {self.input_tokens} tokens in and at most {self.output_tokens} out "
            "when each reply is right the first time"
        )


class StoppedError(ValueError):
    """The run ended before every request was asked; what was received is in the ledger, another run asks the rest."""


def key_of(request: Request, settings: Settings) -> str:
    """Return the content key of a reply: SHA-256 of prompt, images, schema, model and sampling settings."""
    asked = [request.system, request.user, request.schema, settings.model, settings.sampling, *_digests(request)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def body(request: Request, settings: Settings, *, seed_shift: int = 0) -> dict:
    """Lay out a request as a chat completion with structured output (POST /v1/chat/completions).

    Args:
        request: the question and the schema of its answer.
        settings: model and sampling.
        seed_shift: added to the seed, so that a second try can come out otherwise.

    Returns:
        The JSON object to send.
    """
    sampling = settings.sampling
    if "seed" in sampling:
        sampling["seed"] += seed_shift
    shown = [{"type": "image_url", "image_url": {"url": uri}} for uri in request.images]
    user = [*shown, {"type": "text", "text": request.user}] if shown else request.user
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in request.kind)[:64]
    return {
        "model": settings.model,
        "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": user}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": name, "strict": True, "schema": decodable(request.schema)},
        },
        **sampling,
    }


def input_tokens(request: Request) -> int:
    """Estimate the tokens of the prompt and its schema from their bytes, and those of images by a flat number."""
    return tokens(request.system + request.user + json.dumps(request.schema)) + TOKENS_PER_IMAGE * len(request.images)


def tokens(text: str) -> int:
    """Estimate the tokens of a text from its bytes; a letter that UTF-8 cannot encode counts as one byte."""
    return -(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Make settings from plain values, such as a dumped params class."""
    fields: dict[str, Any] = {**values, "budget": Budget(**values["budget"])}
    return Settings(**fields)


def _digests(request: Request) -> list[str]:
    return [hashlib.sha256(uri.encode()).hexdigest() for uri in request.images]


def trace(request: Request, settings: Settings) -> dict:
    """Return what a ledger line holds of the question, beside the reply; of images their digests."""
    shown = {"images": _digests(request)} if request.images else {}
    return {name: getattr(request, name) for name in ("request_id", "kind", "system", "user", "schema")} | {
        "model": settings.model,
        "sampling": settings.sampling,
        **shown,
    }
