"""The rows of one source on their way to the tables of `annotations`: a source that was read whole is not read again.

A part is a folder with a table for each kind of row that the source gives, and its rejects. It is there whole or not at
all, and is kept while the files of the source, those that its rows were joined to, and the readers are the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.partition.finished_parts import is_finished, marked, written_whole
from components.data.seen_ids import seen_before
from components.data.sources.shared.rejecting import Tables, places, reject_rows

IDS = {
    "videos": "video_id",
    "narrations": "narration_id",
    "boxes": "box_id",
    "intervals": "interval_id",
    "captions": "caption_id",
    "questions": "question_id",
    "point_narrations": "narration_id",
}
REJECTS = "rejects"
_READERS = (
    "data/sources",
    "data/source_parts.py",
    "data/probing.py",
    "records",
    "video",
)  # below components/: what makes the rows
_ROWS_IN = b"rows_in"
IMAGES = (".jpg", ".jpeg", ".png")


def digest_of(source: str, root: Path, joined_to: Iterable[str]) -> str:
    """Return the digest of what the rows of a source depend on: its files as the file system lists them, and the code.

    Args:
        source: name of the dataset.
        root: its folder.
        joined_to: the digests of the sources whose videos its rows are joined to.
    """
    digest = hashlib.sha256("\n".join([source, *joined_to]).encode())
    code = Path(__file__).parents[1]
    for place in _READERS:
        for file in sorted([code / place] if place.endswith(".py") else (code / place).rglob("*.py")):
            digest.update(file.read_bytes())
    for path in _files(root):
        stat = os.stat(path)
        digest.update(f"{os.path.relpath(path, root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[str]:
    """Yield every file below a folder, also below folders that are links.

    Images stand together as their folder, whose time changes when one comes or goes: EPIC-KITCHENS has 20 million.
    """
    entered: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if (place := os.path.realpath(folder)) in entered:  # links may go round
            folders.clear()
            continue
        entered.add(place)
        folders.sort()
        images = [name for name in files if name.lower().endswith(IMAGES)]
        yield from ([folder] if images else [])
        for name in sorted({*files}.difference(images)):
            if os.path.exists(path := os.path.join(folder, name)):  # a link may lead nowhere
                yield path


def is_read(part: Path, digest: str) -> bool:
    """Return whether a part is there whole, of what a digest (as `digest_of`) stands for."""
    return is_finished(part / f"{REJECTS}.parquet", digest)


def write(part: Path, source: str, batches: Iterable[Tables], *, digest: str) -> None:
    """Write the rows and rejects of a source as a part; of rows with the same id only the first is kept.

    Args:
        part: the folder, in the place of one of another digest.
        source: name of the dataset.
        batches: of its adapter.
        digest: as `digest_of`.
    """
    seen: dict[str, list[np.ndarray]] = {name: [] for name in IDS}
    rows_in = 0
    with written_whole(part) as partial, ExitStack() as stack:
        partial.mkdir(parents=True)
        writers: dict[str, pq.ParquetWriter] = {}

        def keep(name: str, frame: pd.DataFrame) -> None:
            if name not in writers:
                schema = marked(records.REJECT, digest) if name == REJECTS else records.SCHEMAS[name]
                path = partial / f"{name}.parquet"
                writers[name] = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            if len(frame):
                schema = records.SCHEMAS[name]
                table = pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False)
                writers[name].write_table(table.replace_schema_metadata(None))

        for tables, refused in batches:
            rows_in += len(refused) + sum(map(len, tables.values()))
            for name, frame in tables.items():
                fresh, repeated = _fresh(frame, IDS[name], seen[name], source)
                refused = pd.concat([refused, repeated])
                if len(fresh):
                    keep(name, fresh)
            keep(REJECTS, refused)
        if not writers:  # an adapter that gave no batch
            keep(REJECTS, pd.DataFrame())
        writers[REJECTS].add_key_value_metadata({_ROWS_IN: str(rows_in)})
        if part.is_dir():
            shutil.rmtree(part)


def _fresh(frame: pd.DataFrame, key: str, seen: list[np.ndarray], source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first row of each id that is not in `seen`, reject the others, and add the new ids, 64 bits each."""
    keys = np.frombuffer(bytes.fromhex("".join(frame[key].tolist())), dtype=">u8").astype(np.uint64)
    known = pd.Series(keys).duplicated().to_numpy() | seen_before(keys, seen)
    repeated = frame[known]
    names = repeated["row_id"] if "row_id" in repeated else repeated[key]
    details = [f"{place}an earlier row has its name" for place in places(repeated)]
    return frame[~known], reject_rows(source, names, ["repeated_id"] * len(repeated), details)


def videos(parts: Sequence[Path], columns: list[str]) -> pa.Table:
    """Return some columns of the videos of some parts, in their order."""
    paths = [path for part in parts if (path := part / "videos.parquet").is_file()]
    none = records.VIDEO.empty_table().select(columns)
    return pa.concat_tables([none, *(pq.read_table(path, columns=columns) for path in paths)])


def has(part: Path, name: str) -> bool:
    """Return whether a part has a table of a kind: of IDS only with rows, REJECTS always."""
    return (part / f"{name}.parquet").is_file()


def row_count(part: Path) -> tuple[int, int, int]:
    """Return the rows that came in, those that are kept and those that are rejected."""
    rejects = pq.read_metadata(part / f"{REJECTS}.parquet")
    kept = sum(pq.read_metadata(path).num_rows for path in part.glob("*.parquet")) - rejects.num_rows
    return int(rejects.metadata[_ROWS_IN]), kept, rejects.num_rows


def reasons(part: Path) -> Counter[str]:
    """Count the rejects of a part by their reason."""
    file = pq.ParquetFile(part / f"{REJECTS}.parquet")
    counted: Counter[str] = Counter()
    for batch in file.iter_batches(columns=["reason"]):
        counted.update(batch["reason"].to_pylist())
    return counted


def join(parts: Sequence[Path], name: str, path: Path) -> int:
    """Write the rows of a kind of all parts as one table, row group by row group, and return how many they are."""
    schema, rows = records.SCHEMAS[name], 0
    tables = [part / f"{name}.parquet" for part in parts if has(part, name)]
    if len(tables) == 1 and name != REJECTS:  # nothing to join; the table of rejects has the digest of its part
        shutil.copyfile(tables[0], path)
        return pq.read_metadata(path).num_rows
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for of_part in tables:
            with pq.ParquetFile(of_part) as file:
                for number in range(file.num_row_groups):
                    table = file.read_row_group(number).replace_schema_metadata(None)
                    writer.write_table(table.cast(schema))
                    rows += len(table)
    return rows
