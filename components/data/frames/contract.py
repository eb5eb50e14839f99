"""What contract.json says of the files beside it: their sizes and digests, and what of them is damaged.

Compared when the store is opened is what costs nothing; the digests of all shards are compared on demand
(`egoflow doctor --verify data/frames`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

CONTRACT = "contract.json"
_REMEDY = (
    "take it away and bring it back (`dvc checkout --force data/frames`, or `dvc pull`), or make it again "
    "(`dvc repro --force frames`, which keeps the other shards)"
)


class DamagedFramesError(ValueError):
    """Files of the frame store are not what the stage `frames` wrote."""


def digest_of(path: Path) -> dict:
    """Return the size and the sha256 of a file, as contract.json has them: `bytes` and `sha256`."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read(root: Path) -> dict:
    """Return the content of contract.json, when the files that it names are there, and the index is that of these.

    Args:
        root: folder that stage `frames` wrote.

    Raises:
        FileNotFoundError: the stage did not run or did not end.
        DamagedFramesError: contract.json or another file is not what the stage wrote; says which, and what to do.
    """
    path = root / CONTRACT
    try:
        contract = json.loads(path.read_text())
        files = contract["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFramesError(f"{path} is cut off or has no digests ({error!r}): {_REMEDY}") from error
    # the index is read whole in any case, and is the one file of which another table's has the same form
    damaged = list(problems(root, files, whole=("index.parquet",)))
    if damaged:
        raise DamagedFramesError("\n".join(damaged))
    return contract


def problems(root: Path, files: dict[str, dict], *, whole: tuple[str, ...] | None = None) -> Iterator[str]:
    """Compare the files of the store with what contract.json says: yields a message for each that differs.

    Args:
        root: folder of the store.
        files: member `files` of contract.json.
        whole: names of the files whose digests are compared; None for all.
    """
    for name, known in files.items():
        path = root / name
        if not path.is_file():
            yield f"{path} is gone, it should have {known['bytes']:,} bytes: {_REMEDY}"
        elif (size := path.stat().st_size) != known["bytes"]:
            yield f"{path} has {size:,} bytes, it should have {known['bytes']:,}: {_REMEDY}"
        elif (whole is None or name in whole) and digest_of(path)["sha256"] != known["sha256"]:
            yield f"{path} has other content than the stage `frames` wrote: {_REMEDY}"
