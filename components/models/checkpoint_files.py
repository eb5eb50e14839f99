"""The files of a finished checkpoint: their digests, which stand in its stage.json, and what of them is damaged.

Looked at before each use is what costs nothing: that the files are there with their sizes, the digests of small ones,
and the headers of the weights. The digests of all are compared on demand (`egoflow doctor --verify`). No torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

RECORD = "stage.json"
MEMBERS = ("stage", "recipe", "params", "parents", "steps", "seconds", "frames_contract", "samples_digest")
SMALL = 2**20  # bytes; files of at most so many are digested whenever they are looked at
_LATER = ("trainer", "evaluation", RECORD, f"{RECORD}.partial")  # come, change or go after the digests are taken
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong.

    Attributes:
        file: that is meant.
        seen: what came.
        wanted: what it should be.
        remedy: what to do.
    """

    file: Path
    seen: str
    wanted: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file} {self.seen}, it should be {self.wanted}: {self.remedy}"


class DamagedError(ValueError):
    """Files on disk are not what was written."""

    def __init__(self, damages: Collection[Damage]):
        super().__init__("\n".join(map(str, damages)))
        self.damages = list(damages)


def finish(folder: Path, record: Mapping[str, object]) -> None:
    """Write stage.json with the digests of all files of the folder; with it, the checkpoint is finished."""
    partial = folder / f"{RECORD}.partial"
    partial.write_text(json.dumps({**record, "files": digests(folder)}, indent=2, default=str))
    partial.rename(folder / RECORD)


def digests(folder: Path) -> dict[str, dict]:
    """Return the size and the sha256 of every file that a stage leaves: name -> `bytes` and `sha256`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths if path.relative_to(folder).parts[0] not in _LATER]
    with ThreadPoolExecutor() as pool:  # hashing leaves the other threads alone
        hashes = pool.map(lambda name: sha256(folder / name), names)
        return {
            name: {"bytes": (folder / name).stat().st_size, "sha256": digest}
            for name, digest in zip(names, hashes, strict=True)
        }


def sha256(path: Path) -> str:
    """Return the digest of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path, members: Collection[str] = MEMBERS) -> dict:
    """Return the content of the stage.json of a checkpoint.

    Args:
        folder: of the checkpoint.
        members: that it must have.

    Raises:
        DamagedError: it is not there, no JSON, or lacks a member.
    """
    path = folder / RECORD
    try:
        made = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DamagedError([_damage(path, "is not there", "written by the stage when it ends")]) from error
    except (OSError, ValueError) as error:
        seen = f"is no JSON ({path.stat().st_size} bytes)"
        raise DamagedError([_damage(path, seen, "what the stage wrote when it ended")]) from error
    missing = [name for name in members if name not in made] if isinstance(made, dict) else list(members)
    if missing:
        raise DamagedError([_damage(path, f"has no {', '.join(missing)}", "with all of its members")])
    return made


def check(
    folder: Path,
    *,
    stage: str | None = None,
    algorithm: str | None = None,
    members: Collection[str] = MEMBERS,
    whole: bool = False,
) -> dict:
    """Make sure that a checkpoint is what its stage left; return the content of its stage.json.

    Args:
        folder: of the checkpoint.
        stage: name of the stage that it is to be of; None for any.
        algorithm: of that stage; None for any.
        members: that stage.json must have.
        whole: compare the digests of all files, not of the small ones alone.

    Raises:
        DamagedError: it is not; names each file with what it should be and what to do.
    """
    made = read(folder, members)
    for wanted, came in ((stage, made.get("stage")), (algorithm, made.get("params", {}).get("algorithm"))):
        if wanted is not None and came != wanted:
            raise DamagedError([_damage(folder / RECORD, f"is of {came!r}", f"of {wanted!r}, as the recipe asks")])
    if found := list(problems(folder, made, whole=whole)):
        raise DamagedError(found)
    return made


def problems(folder: Path, made: Mapping, *, whole: bool) -> Iterator[Damage]:
    """Compare the files of a checkpoint with what its stage.json says of them.

    Args:
        folder: of the checkpoint.
        made: content of its stage.json; one of an earlier version has no digests, then only the weights are looked at.
        whole: compare the digests of all files.
    """
    for name, known in made.get("files", {}).items():
        path = folder / name
        if not path.is_file():
            yield _damage(path, "is gone", f"a file of {known['bytes']:,} bytes")
        elif (size := path.stat().st_size) != known["bytes"]:
            yield _damage(path, f"has {size:,} bytes", f"one of {known['bytes']:,}")
        elif (whole or size <= SMALL) and sha256(path) != known["sha256"]:
            yield _damage(path, "has other content", f"that of sha256 {known['sha256'][:12]}…")
    yield from _headers(folder / "model")


def _headers(model: Path) -> Iterator[Damage]:
    """Look at the headers of the weights: whether all bytes are there, and whether each shard holds its own tensors."""
    try:
        index = json.loads((model / _INDEX).read_text())["weight_map"] if (model / _INDEX).exists() else {}
    except (OSError, ValueError, KeyError):
        yield _damage(model / _INDEX, "cannot be read", "the index of the shards")
        return
    for path in sorted({*model.glob("*.safetensors"), *(model / shard for shard in index.values())}):
        try:
            with safe_open(path, "np") as file:
                names = set(file.keys())
        except (OSError, SafetensorError) as error:
            yield _damage(path, f"cannot be read ({str(error).splitlines()[0]})", "whole weights")
            continue
        own = {name for name, shard in index.items() if shard == path.name}
        if index and names != own:
            yield _damage(path, f"holds {len(names - own)} tensors of another shard", f"that of {_INDEX}")


def _damage(path: Path, seen: str, wanted: str) -> Damage:
    folder = path.parent.parent if path.parent.name == "model" else path.parent
    return Damage(
        path,
        seen,
        wanted,
        f"copy it again from where it is kept, or take {folder} away and run the pipeline, which fetches it from "
        "EGOFLOW_STORAGE or makes it again",
    )
