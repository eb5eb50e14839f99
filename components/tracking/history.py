"""The training history on disk, one JSON object per logged step: the source of curves, in the report and in MLflow."""

from __future__ import annotations

import json
from pathlib import Path


def read(path: Path, offset: int = 0) -> tuple[list[dict], int]:
    """Read whole records from byte `offset` on.

    A last line without a newline is left out: its writer is still at work or was killed.

    Args:
        path: history.jsonl; a missing file has no records.
        offset: where an earlier call stopped.

    Returns:
        The records `{"step": int, "time_s": float, "<metric>": float}` and the offset to go on from.

    Raises:
        ValueError: a whole line is not JSON (names file and line).
    """
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        lines = file.read().split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: line {number} after byte {offset} is {line[:80]!r}, allowed is JSON") from error
    return records, offset + sum(len(line) + 1 for line in lines)


def trim(path: Path, last_step: int | None) -> None:
    """Drop the records after a step, so that a resumed run does not log them twice.

    Args:
        path: history.jsonl, made where it is missing.
        last_step: the last to keep; None keeps none.

    Raises:
        ValueError: as `read`.
    """
    records = [] if last_step is None else [row for row in read(path)[0] if row["step"] <= last_step]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".tmp")
    whole.write_text("".join(json.dumps(row) + "\n" for row in records))
    whole.replace(path)


def curves(records: list[dict]) -> dict[str, list[tuple[int, float]]]:
    """Return `[(step, value), ...]` for each metric of some records, in the order in which the metrics first came.

    >>> curves([{"step": 1, "time_s": 9.0, "loss": 2.0}, {"step": 2, "time_s": 9.5, "loss": 1.0, "lr": 0.1}])
    {'loss': [(1, 2.0), (2, 1.0)], 'lr': [(2, 0.1)]}
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for row in records:
        for name, value in row.items():
            if name not in ("step", "time_s"):
                found.setdefault(name, []).append((row["step"], value))
    return found
