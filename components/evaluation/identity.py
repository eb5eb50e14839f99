"""What an evaluation is: everything that its numbers depend on, so that no other is taken for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def of_answers(checkpoint: Path, data: Path, *, rank_options: bool, max_new_tokens: int) -> dict[str, object]:
    """Return what the answer to an item depends on, beside the item itself.

    Any change of the code counts: a killed evaluation is hardly ever continued by other code, and answers of two kinds
    must not be mixed.

    Args:
        checkpoint: folder of a finished stage.
        data: the data folder.
        rank_options: whether options of closed questions are ranked.
        max_new_tokens: longest answer.
    """
    weights = [checkpoint / "stage.json", *(checkpoint / "model").iterdir()]
    asked = [data / "dataset" / "samples.parquet", data / "frames" / "contract.json", data / "frames" / "index.parquet"]
    return {
        "checkpoint": of_files(weights),
        "data": of_files(asked),
        "code": of_code(),
        "rank_options": rank_options,
        "max_new_tokens": max_new_tokens,
    }


def of_code() -> str:
    """Return the one sha256 that stands for all code below `components`."""
    return of_files((ROOT / "components").rglob("*.py"))


def digest(identity: Mapping[str, object]) -> str:
    """Return the one sha256 that stands for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def of_files(paths: Iterable[Path]) -> str:
    """Return the one sha256 that stands for the names and contents of files."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
