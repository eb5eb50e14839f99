"""The ledger of replies: append-only JSONL with a line for each reply, on disk before anything else is done.

A line has `key` (content key), `outcome`, the question (`request_id`, `kind`, `system`, `user`, `schema`, `model`,
`sampling`), the reply (`text`, `served_model`), `usage` (tokens), `time` (UTC) and `took_s`. Lines are never changed;
an answer settles its key, other outcomes are counted as tries. Of several lines of a key the last whole one counts.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from components.llm.request import StoppedError

ANSWER, REFUSED = "answer", "refused"
FINAL = (ANSWER, REFUSED)  # no further try would be paid for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """The outcome of the last reply of a key, the byte where its line begins, and how many replies the key has."""

    outcome: str
    offset: int
    replies: int


@dataclass
class Ledger:
    """The index of a ledger file; lines are read from disk when asked for, so that memory does not grow with text.

    Attributes:
        path: of the file.
        entries: content key -> where its last line is.
        replies: lines in all.
        tokens: sent and received, of all lines.
        torn: lines that cannot be read, as a power cut or a full disk leaves them.
    """

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    replies: int = 0
    tokens: int = 0
    torn: int = 0
    _end: int = 0
    _line_is_open: bool = False
    _file: int = -1  # no file descriptor: opened for reading only

    def done(self, key: str, *, tries: int) -> bool:
        """Return whether a key is settled: answered, refused, or answered wrongly `tries` times."""
        entry = self.entries.get(key)
        return entry is not None and (entry.outcome in FINAL or entry.replies >= tries)

    def append(self, line: dict) -> None:
        """Add a line and return when it is on disk.

        Raises:
            OSError: the disk is full or gone, and the line may be torn; the next line starts on a line of its own.
        """
        data = (b"\n" if self._line_is_open else b"") + json.dumps(line).encode() + b"\n"
        start, self._line_is_open = self._end + self._line_is_open, True
        rest = memoryview(data)
        while rest:
            written = os.write(self._file, rest)
            self._end += written
            rest = rest[written:]
        os.fsync(self._file)
        self._line_is_open = False
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
                self._line_is_open = not data.endswith(b"\n")


def load(path: Path) -> Ledger:
    """Index a ledger for reading; a file that is not there is an empty one."""
    ledger = Ledger(path)
    if path.exists():
        ledger._load()
    return ledger


@contextmanager
def opened(path: Path) -> Generator[Ledger, None, None]:
    """Open a ledger for adding, for one process at a time: two would pay for the same answer.

    Yields:
        The ledger, indexed.

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
