"""Which rows of a table belong to which lot of takes, and one pass that brings them there.

A row belongs to its take. The rows of captions and questions name a medium, whose take is its id as the step `media`
gives it; a reject is of the take before the slash of its row id.

Takes stand anywhere in a table, so to look for those of each lot would read the table as often as there are lots. It is
read once instead, some rows at a time: these are sorted by lot and written as a run, an Arrow file in which batch n
holds the rows of lot n. A lot is its batch of every run, in the order of the table.
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records

ROWS = 250_000  # read at once: one run
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
        return pa.array(records.content_ids("medium", first.to_pylist(), more[0].to_pylist()), pa.string())
    is_take = "take_id" in rows.schema.names
    return first if is_take else pc.list_element(pc.split_pattern(first, "/"), 0)


def batches(path: Path, schema: pa.Schema, columns: list[str], *, sources: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read a table some rows at a time; of captions and questions the rows of some sources alone.

    Raises:
        ValueError: as `records.read_table`.
    """
    about_media = "source" in key_columns(schema.names)
    held: list[pa.RecordBatch] = []
    for batch in records.read_batches(path, schema, columns, rows=ROWS):
        held.append(batch.filter(pc.is_in(batch["source"], pa.array(sources, pa.string()))) if about_media else batch)
        if sum(map(len, held)) >= ROWS:  # a row group may be shorter
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def count(path: Path, schema: pa.Schema, sources: Sequence[str], held: Counter[str]) -> int:
    """Count the rows of a table, and in `held` those of each take."""
    before = held.total()
    for batch in batches(path, schema, key_columns(schema.names), sources=sources):
        held.update(dict(row.values() for row in pc.value_counts(takes_of(batch)).to_pylist()))
    return held.total() - before


def plan(held: Counter[str], *, rows: int) -> pa.Table:
    """Cut takes, in the order of their ids, into lots of about `rows` rows.

    Args:
        held: rows of each take, of all tables together.

    Returns:
        `lot` (its number), `first` and `last` (take ids).
    """
    takes = sorted(held)
    number = (np.cumsum([held[take] for take in takes], dtype=np.int64) - 1) // rows if takes else np.array([], int)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    ends = [*(starts[1:] - 1), len(takes) - 1] if takes else []
    return pa.table(
        {
            "lot": pa.array(range(len(starts)), pa.int64()),
            "first": pa.array([takes[n] for n in starts], pa.string()),
            "last": pa.array([takes[n] for n in ends], pa.string()),
        }
    )


def write(path: Path, schema: pa.Schema, lots: pa.Table, folder: Path, *, sources: Sequence[str]) -> None:
    """Write the rows of a table into a folder of runs, whole or not at all; a folder that is there stays."""
    if folder.is_dir():
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for run, batch in enumerate(batches(path, schema, schema.names, sources=sources)):
        of_row = _lots_of(batch, lots)
        order = np.argsort(of_row, kind="stable")
        ends = np.searchsorted(of_row[order], np.arange(lots.num_rows), side="right")
        starts = np.searchsorted(of_row[order], np.arange(lots.num_rows))
        batch = batch.take(pa.array(order))
        with pa.ipc.new_file(partial / f"{run:05d}.arrow", schema, options=COMPRESSED) as file:
            for start, end in zip(starts, ends, strict=True):
                file.write_batch(batch.slice(start, end - start))
    partial.rename(folder)


def read(folder: Path, schema: pa.Schema, lot: int) -> pa.Table:
    """Read the rows of a lot from a folder of runs."""
    kept = []
    for path in sorted(folder.iterdir()):
        with pa.OSFile(str(path)) as file:
            kept.append(pa.ipc.open_file(file).get_batch(lot))
    return pa.Table.from_batches(kept, schema)


def read_whole(path: Path, schema: pa.Schema, lots: pa.Table, *, sources: Sequence[str]) -> pa.Table:
    """Read the rows of the only lot from the table itself."""
    kept = [
        batch.filter(pa.array(_lots_of(batch, lots) == 0))
        for batch in batches(path, schema, schema.names, sources=sources)
    ]
    return pa.Table.from_batches(kept, schema)


def _lots_of(rows: pa.RecordBatch, lots: pa.Table) -> np.ndarray:
    """Return the number of the lot of each row, -1 for a take between the lots; shape [N]."""
    takes = takes_of(rows).dictionary_encode()
    firsts, lasts = (lots[name].to_pylist() for name in ("first", "last"))
    of_take = np.array([bisect_right(firsts, take) - 1 for take in takes.dictionary.to_pylist()], dtype=np.int64)
    beyond = [lot >= 0 and take > lasts[lot] for lot, take in zip(of_take, takes.dictionary.to_pylist(), strict=True)]
    of_take[np.array(beyond, dtype=bool)] = -1
    return of_take[takes.indices.to_numpy(zero_copy_only=False)]
