"""Requests to ask, and a clock that does not wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components import llm
from components.llm.rate_limit import Timing

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "minLength": 1}},
    "required": ["word"],
    "additionalProperties": False,
}
SETTINGS = llm.Settings(generator="openai", model="tiny", temperature=0.5, seed=3, max_tokens=50, timeout_s=60.0)
RULES = {"word": lambda request: {"word": request.user.upper()}}


def ask(*words: str) -> list[llm.Request]:
    return [llm.Request(f"id-{number}", "word", "Say it loud.", word, SCHEMA) for number, word in enumerate(words)]


@dataclass
class Clock:
    """Time that passes only by sleeping; `slept_s` has every wait that was asked for."""

    now_s: float = 1000.0
    slept_s: list[float] = field(default_factory=list)
    jitter: float = 0.0

    async def sleep(self, wait_s: float) -> None:
        if wait_s:
            self.slept_s.append(wait_s)
        self.now_s += wait_s
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        return Timing(lambda: self.now_s, self.sleep, lambda: self.jitter)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "replies.jsonl"


@pytest.fixture
def generate(ledger_path, clock) -> Callable[..., list]:
    """`llm.generate` on the ledger and the clock of the test, with settings of the test's own."""

    def run(requests: list[llm.Request], **settings: object) -> list:
        changed = llm.Settings(**(SETTINGS.__dict__ | {"concurrency": 1} | settings))
        return list(llm.generate(requests, changed, rules=RULES, ledger_path=ledger_path, timing=clock.timing))

    return run


def values(results: list) -> list:
    return [result.value if isinstance(result, llm.Answer) else result.reason for result in results]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
