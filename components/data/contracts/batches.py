"""The tables of a step as they are judged: small ones whole, those of CORPORA some rows at a time.

No more than a batch of a large table is held, and 8 bytes for each of its ids, so that an id is found in two batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.contracts.rules import Contract, among
from components.data.contracts.tables import CORPORA, KEYS, LEAVES, REFERS_TO, contract, splits
from components.data.judging import seen_before
from components.data.media import FOLDERS

ROWS = 200_000
FRESH = "the id stands in no earlier batch"


def load(step: str, data_dir: Path) -> dict[str, pa.Table | Path]:
    """Read the tables that judging a step needs, as they are: a wrong schema is for the contract to tell.

    Returns:
        "step/table" -> table; the file for the step's own tables of CORPORA; of those of another step, the ids that
        samples can be made from. A video table beside the first is left out where it is not there.
    """
    loaded: dict[str, pa.Table | Path] = {}
    for path in (*(f"{step}/{name}" for name in LEAVES[step]), *REFERS_TO[step]):
        file, name = data_dir / f"{path}.parquet", path.split("/")[1]
        if name in CORPORA and path in REFERS_TO[step]:
            loaded[path] = pq.read_table(file, columns=[KEYS[name]], filters=[("source", "in", list(FOLDERS))])
        elif name in CORPORA:
            loaded[path] = file
        elif file.is_file() or path not in records.VIDEOS[1:]:
            loaded[path] = pq.read_table(file)
    return loaded


def empty(table: pa.Table | Path) -> pa.Table:
    """Give the columns of a table without its rows."""
    return (pq.read_schema(table) if isinstance(table, Path) else table.schema).empty_table()


def in_batches(name: str, table: pa.Table | Path) -> Iterator[tuple[str, str, Contract]]:
    """Give the contracts of a table of CORPORA, a batch of rows after the other.

    Yields:
        The name of the contract, which rows it is about ("" where it is about all), and the contract.
    """
    seen, pairs, key = [], [], KEYS[name]
    for first, part, is_all in _parts(table):
        made = contract(name, part, {})
        again = seen_before(pd.util.hash_array(made.frame[key].to_numpy(dtype=object), categorize=False), seen)
        frame, rules = made.frame.assign(**{FRESH: ~again}), [*made.rules, *among(**{FRESH: [True]})]
        # an id that stands twice in one batch is told by the rule of the batch
        rows = "" if is_all else f" rows {first} to {first + len(part) - 1}"
        yield name, rows, replace(made, frame=frame, rules=rules)
        if "take_id" in part.schema.names:
            pairs.append(part.group_by(["take_id", "split"]).aggregate([]))
    if pairs:
        yield f"{name}_splits", "", splits(pairs)


def _parts(table: pa.Table | Path) -> Iterator[tuple[int, pa.Table, bool]]:
    """Give the number of the first row, about ROWS rows, and whether they are all; at least once."""
    if isinstance(table, pa.Table):
        total, batches = len(table), iter(table.to_batches(ROWS))
        schema = table.schema
    else:
        file = pq.ParquetFile(table)
        total, schema, batches = file.metadata.num_rows, file.schema_arrow, file.iter_batches(ROWS)
    first, held = 0, []
    for batch in batches:
        held.append(batch)
        if (rows := sum(map(len, held))) >= ROWS:
            yield first, pa.Table.from_batches(held), rows == total
            first, held = first + rows, []
    if held or first == 0:
        yield first, pa.Table.from_batches(held, schema), first == 0
