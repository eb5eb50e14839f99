"""The ledger of replies: append-only JSONL, one line for each reply that was received, on disk before the next step.

A line has `key` (content key), `outcome`, the question (`request_id`, `kind`, `system`, `user`, `schema`, `model`,
`sampling`), the reply (`text`, `served_model`), `usage` (tokens), `time` (UTC) and `took_s`. Lines are never changed;
an answer of one key ends the matter, other outcomes are counted as tries. The last whole line wins.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from components.llm.request import StoppedError

ANSWER, REFUSED = "answer", "refused"
FINAL = (ANSWER, REFUSED)  # no further try would be paid for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """Where the last reply of a key stands, and how many replies it has."""

    outcome: str
    offset: int
    replies: int


@dataclass
class Ledger:
    """The index of a ledger file: what it holds is read from disk when asked for, so memory does not grow with text."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    replies: int = 0
    tokens: int = 0
    torn: int = 0  # lines that cannot be read: what a power cut or a full disk left
    _end: int = 0
    _open_line: bool = False
    _file: int | None = None

    def done(self, key: str, *, tries: int) -> bool:
        """Return whether the ledger settles a key: answered, refused, or wrong as often as one may try."""
        entry = self.entries.get(key)
        return entry is not None and (entry.outcome in FINAL or entry.replies >= tries)

    def append(self, line: dict) -> None:
        """Add a reply; returns when it is on disk.

        Raises:
            OSError: the disk is full or gone; the line may be torn then, which the next one mends.
        """
        data = (b"\n" if self._open_line else b"") + json.dumps(line).encode() + b"\n"
        start, self._open_line = self._end + self._open_line, True
        rest = memoryview(data)
        while rest:
            written = os.write(self._file, rest)
            self._end += written
            rest = rest[written:]
        os.fsync(self._file)
        self._open_line = False
        self._count(line, start)

    def read(self, key: str) -> dict:
        """Read the last line of a key."""
        with self.path.open("rb") as file:
            file.seek(self.entries[key].offset)
            return json.loads(file.readline())

    def _count(self, line: dict, offset: int) -> None:
        key, outcome, usage = line["key"], line["outcome"], line["usage"]
        tokens = usage["input_tokens"] + usage["output_tokens"]
        self.entries[key] = Entry(outcome, offset, 1 + (self.entries[key].replies if key in self.entries else 0))
        self.replies += 1
        self.tokens += tokens

    def _load(self) -> None:
        with self.path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                try:
                    self._count(json.loads(data), self._end)
                except (ValueError, KeyError, TypeError):
                    self.torn += 1
                    log.warning("%s: line %d is torn and does not count; its answer is asked again", self.path, number)
                self._end += len(data)
                self._open_line = not data.endswith(b"\n")


def load(path: Path) -> Ledger:
    """Index a ledger for reading; a file that is not there is an empty one."""
    ledger = Ledger(path)
    if path.exists():
        ledger._load()
    return ledger


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    """Open a ledger for adding; one process at a time, since two would pay for the same answer.

    Raises:
        StoppedError: another process has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoppedError(f"{path}: another run is adding to this ledger; wait for it, then run again") from error
        # the name of a new file must last as well as its lines
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        ledger = load(path)
        ledger._file = file
        yield ledger
    finally:
        os.close(file)
