"""Shuffle: bring the rows of a table to partitions of takes, in one pass over the table.

A row belongs to its take. The rows of captions and questions name a medium, whose take is its id as the step `media`
gives it; a reject is of the take before the slash of its row id.

A row stands anywhere in its table, so to look for the rows of each partition would read the table as often as there are
partitions. It is read once instead, some rows at a time: these are sorted by partition and written as a run, an Arrow
file in which batch n holds the rows of partition n. A partition is its batch of every run, in the order of the table.

By hand, because no library here does the same in bounded memory and keeps the order of the rows, without which a step
would not give the same bytes again. Measured on narrations, on two busy cores (seconds, peak memory):

| by                                           | 1,000,000 rows, 10 partitions | 4,000,000 rows, 40 partitions |
|----------------------------------------------|-------------------------------|-------------------------------|
| this module                                  | 5.4 s, 476 MB                 | 48.6 s, 539 MB                |
| pyarrow 25 `write_dataset`, `preserve_order` | 3.4 s, 506 MB                 | no progress in 150 s          |
| Daft 0.7, partitioned `write_parquet`        | 6.4 s, 574 MB, other order    |                               |
| Daft 0.7, `sort`, then the same              | 6.4 s, 1,017 MB, other order  |                               |
| Ray Data, `sort`, with the start of Ray      | 171.6 s                       |                               |

Daft's `repartition` moves nothing on one machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.partition.finished_parts import written_whole

RUN_ROWS = 250_000  # read at once
COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


def key_columns(names: Sequence[str]) -> list[str]:
    """Return the columns, of those of a table, that say which take a row belongs to."""
    if "take_id" in names:
        return ["take_id"]
    return ["source", "path"] if "path" in names else ["row_id"]


def takes_of(rows: pa.RecordBatch) -> pa.Array:
    """Return the take of each row, shape [N], text."""
    first, *more = (rows[name] for name in key_columns(rows.schema.names))
    if more:
        return records.content_ids("medium", first, *more)
    is_take = "take_id" in rows.schema.names
    return first if is_take else pc.list_element(pc.split_pattern(first, "/"), 0)


def read_batches(
    path: Path, schema: pa.Schema, columns: list[str], *, sources: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Read a table about RUN_ROWS rows at a time.

    Args:
        path: a Parquet file.
        schema: its schema, of components/records/schemas.py.
        columns: the columns to read; with captions and questions, `source` is one of them.
        sources: of captions and questions, the sources whose rows are read; other tables are read whole.

    Raises:
        ValueError: as `records.read_table`, or a row does not say which take it belongs to.
    """
    about_media = "source" in key_columns(schema.names)
    held: list[pa.RecordBatch] = []
    for batch in records.read_batches(path, schema, columns, rows=RUN_ROWS):
        _require_keys(path, batch)
        held.append(batch.filter(pc.is_in(batch["source"], pa.array(sources, pa.string()))) if about_media else batch)
        if sum(map(len, held)) >= RUN_ROWS:  # a row group may be shorter
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def _require_keys(path: Path, rows: pa.RecordBatch) -> None:
    for name in key_columns(rows.schema.names):
        if lost := rows[name].null_count:
            raise ValueError(
                f"{path}: {lost:,} rows have no {name}, by which rows are joined to their takes; allowed are rows with "
                "it. No step writes such a row: remove the file and rerun `dvc repro`"
            )


def count_rows(path: Path, schema: pa.Schema, sources: Sequence[str], rows_of_take: Counter[str]) -> int:
    """Count the rows of a table.

    Args:
        path: a Parquet file.
        schema: its schema, of components/records/schemas.py.
        sources: as `read_batches` takes it.
        rows_of_take: the rows of each take are added to it.

    Returns:
        The rows of all takes.
    """
    before = rows_of_take.total()
    for batch in read_batches(path, schema, key_columns(schema.names), sources=sources):
        rows_of_take.update(dict(row.values() for row in pc.value_counts(takes_of(batch)).to_pylist()))
    return rows_of_take.total() - before


def partition_takes(rows_of_take: Counter[str], *, rows: int) -> pa.Table:
    """Cut takes, in the order of their ids, into partitions of about `rows` rows.

    Args:
        rows_of_take: rows of each take, of all tables together.
        rows: of a partition; a take with more rows is a partition of its own.

    Returns:
        A row for each partition: `partition` (its number), `first_take` and `last_take` (ids).
    """
    takes = sorted(rows_of_take)
    counts = np.array([rows_of_take[take] for take in takes], dtype=np.int64)
    starts = np.flatnonzero(np.diff((np.cumsum(counts) - 1) // rows, prepend=-1))
    ends = [*(starts[1:] - 1), len(takes) - 1] if takes else []
    return pa.table(
        {
            "partition": pa.array(range(len(starts)), pa.int64()),
            "first_take": pa.array([takes[n] for n in starts], pa.string()),
            "last_take": pa.array([takes[n] for n in ends], pa.string()),
        }
    )


def write_runs(path: Path, schema: pa.Schema, cuts: pa.Table, folder: Path, *, sources: Sequence[str]) -> None:
    """Write the rows of a table as runs, sorted by partition; a folder of runs that is there already stays.

    Args:
        path: a Parquet file.
        schema: its schema, of components/records/schemas.py.
        cuts: as `partition_takes` returns it.
        folder: to write, whole or not at all.
        sources: as `read_batches` takes it.

    Raises:
        ValueError: as `records.read_table`.
    """
    if folder.is_dir():
        return
    with written_whole(folder) as partial:
        partial.mkdir(parents=True)
        for run, batch in enumerate(read_batches(path, schema, schema.names, sources=sources)):
            of_row = _partition_of_rows(batch, cuts)
            order = np.argsort(of_row, kind="stable")
            starts, ends = (
                np.searchsorted(of_row[order], np.arange(cuts.num_rows), side) for side in ("left", "right")
            )
            batch = batch.take(pa.array(order))
            with pa.ipc.new_file(partial / f"{run:05d}.arrow", schema, options=COMPRESSED) as file:
                for start, end in zip(starts, ends, strict=True):
                    file.write_batch(batch.slice(start, end - start))


def read_partition(folder: Path, schema: pa.Schema, partition: int) -> pa.Table:
    """Read the rows of a partition.

    Args:
        folder: of the runs, as the shuffle wrote them.
        schema: of the rows.
        partition: its number.
    """
    kept = []
    for path in sorted(folder.iterdir()):
        with pa.OSFile(str(path)) as file:
            kept.append(pa.ipc.open_file(file).get_batch(partition))
    return pa.Table.from_batches(kept, schema)


def read_single(path: Path, schema: pa.Schema, cuts: pa.Table, *, sources: Sequence[str]) -> pa.Table:
    """Read the rows of the only partition from the table itself.

    Args:
        path: a Parquet file.
        schema: its schema, of components/records/schemas.py.
        cuts: as `partition_takes` returns it, one row.
        sources: as `read_batches` takes it.
    """
    kept = [
        batch.filter(pa.array(_partition_of_rows(batch, cuts) == 0))
        for batch in read_batches(path, schema, schema.names, sources=sources)
    ]
    return pa.Table.from_batches(kept, schema)


def _partition_of_rows(rows: pa.RecordBatch, cuts: pa.Table) -> np.ndarray:
    """Return the number of the partition of each row, -1 for a take that no partition has; shape [N]."""
    takes = takes_of(rows).dictionary_encode()
    firsts, lasts = (cuts[name].to_pylist() for name in ("first_take", "last_take"))
    found = takes.dictionary.to_pylist()
    of_take = np.array([bisect_right(firsts, take) - 1 for take in found], dtype=np.int64)
    beyond = [number >= 0 and take > lasts[number] for number, take in zip(of_take, found, strict=True)]
    of_take[np.array(beyond, dtype=bool)] = -1
    return of_take[takes.indices.to_numpy(zero_copy_only=False)]
