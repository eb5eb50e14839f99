"""Parts of a step's work that exist whole or not at all, so that a step that was killed continues where it was.

A part is a file or a folder. It is written under another name and renamed when it is complete. A part that is an Arrow
or Parquet file also carries a marker: the digest of everything that its rows depend on. Where the marker of a part is
the digest of the work at hand, the part is finished; where it is not, the part is of another input and is made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_MARKER = "plan"  # stands in files of earlier runs: under another name all of them would be made again


@contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """Return the name to write a file or a folder under; it becomes `path` when the block ends without an error."""
    partial = path.with_name(f"{path.name}.partial")
    if partial.is_dir():  # of a run that was killed; a file is simply written over
        shutil.rmtree(partial)
    yield partial
    partial.rename(path)


def marked(schema: pa.Schema, digest: str) -> pa.Schema:
    """Return the schema of a part with its marker; "" marks a part that is to be written again by the next run."""
    return schema.with_metadata({_MARKER: digest})


def is_finished(path: Path, digest: str) -> bool:
    """Return whether there is a part, an .arrow or .parquet file, that is marked with this digest."""
    try:
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
        else:
            with pa.memory_map(str(path)) as source:
                schema = pa.ipc.open_file(source).schema
    except (FileNotFoundError, pa.ArrowInvalid):
        return False
    return (schema.metadata or {}).get(_MARKER.encode()) == digest.encode()


def remove_stale(folder: Path, pattern: str, parts: Iterable[Path]) -> None:
    """Remove the parts of an earlier input.

    Args:
        folder: that holds the parts.
        pattern: glob pattern of their names; files and folders that do not match it stay.
        parts: those of the present input, which stay.
    """
    for stale in set(folder.glob(pattern)) - set(parts):
        if stale.is_dir():
            shutil.rmtree(stale)
        else:
            stale.unlink()
