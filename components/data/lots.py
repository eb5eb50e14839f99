"""Lots of takes: a step that grows with clips makes the samples of some takes at once, then joins what the lots gave.

What is asked about a take depends on its own rows (and which false options are likely, on the other takes of its lot),
so a lot needs no more than those. It leaves a file of samples and one of rejects in data/lots/<step>/<digest>, whole or
not at all. The digest is of everything that the rows depend on: a killed step goes on with the lots it had, another
input, parameter or line of code starts anew. Lots go through components/data/engine.py, one after another on this
machine or side by side on a Ray cluster.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import records
from components.data.engine import map_rows

ROWS = 400_000  # of all tables together, in one lot: about a gigabyte with what is made of them
BATCH = 50_000  # rows read at once of a table, of which a lot keeps its own
SCHEMAS = {"samples": records.SAMPLE, "rejects": records.REJECT}
LEDGER = pa.list_(pa.struct([("what", pa.string()), *((name, pa.int64()) for name in ("came", "made", "dropped"))]))
_COMPONENTS = Path(__file__).parents[1]

Ledger = list[tuple[str, int, int, int]]


@dataclass(frozen=True)
class Step:
    """What a step does with a lot.

    Attributes:
        name: of the step and of its folder below data/.
        tables: the tables it reads, as "step/table"; rows go to lots by their take.
        make: given the parameters and the rows of a lot by "step/table", gives the samples, the rejects (tables of
            components/records.py) and the ledger: (what, rows in, rows out, rejected). A function of a module, for
            another process may have to find it.
    """

    name: str
    tables: tuple[str, ...]
    make: Callable[[dict, dict[str, pa.Table]], tuple[pa.Table, pa.Table, Ledger]]


def run(step: Step, parameters: dict, data_dir: Path, *, rows: int = ROWS) -> Ledger:
    """Make data/<step>/{samples,rejects}.parquet lot by lot.

    Args:
        parameters: what `step.make` gets; a JSON value.
        rows: rows read in one lot.

    Returns:
        The ledger of all lots together; first how many rows of each table with takes went to lots.

    Raises:
        ValueError: a table has other columns than components/records.py says, or a lot failed; those that were made
            stay for the next run.
    """
    data_dir = data_dir.resolve()
    lots = plan([data_dir / f"{table}.parquet" for table in _by_take(step)], rows=rows)
    digest = hashlib.sha256(json.dumps([step.name, parameters, rows], sort_keys=True).encode())
    for path in [*(data_dir / f"{table}.parquet" for table in step.tables), *sorted(_COMPONENTS.rglob("*.py"))]:
        digest.update(path.read_bytes() if path.suffix == ".py" else _digest_of(path))
    folder = data_dir / "lots" / step.name / digest.hexdigest()[:16]
    for stale in set(folder.parent.glob("*")) - {folder}:
        shutil.rmtree(stale)
    folder.mkdir(parents=True, exist_ok=True)
    # a row that no lot took would be lost without a trace
    held = {table: pq.read_metadata(data_dir / f"{table}.parquet").num_rows for table in _by_take(step)}
    ledger = {f"{table}, rows to lots": np.array([rows, 0, 0]) for table, rows in held.items()}
    for lot, done in zip(
        lots.to_pylist(), map_rows(lots, _worker, step, parameters, data_dir, folder, returns=LEDGER), strict=True
    ):
        if done.error:
            raise ValueError(
                f"step {step.name!r}, takes {lot['first']} to {lot['last']}: {done.error}; mend it and run `dvc repro` "
                "again, lots that were made are kept"
            )
        for entry in done.value:
            what = entry.pop("what")
            ledger[what] = ledger.get(what, 0) + np.array(list(entry.values()))
    for name in SCHEMAS:
        parts = [_file(folder, lot, name) for lot in range(lots.num_rows)]
        _join(parts, data_dir / step.name / f"{name}.parquet", SCHEMAS[name])
    shutil.rmtree(folder.parent)
    return [(what, *map(int, numbers)) for what, numbers in ledger.items()]


def plan(paths: list[Path], *, rows: int) -> pa.Table:
    """Cut the takes of some tables with takes, in the order of their ids, into lots of about `rows` rows.

    Returns:
        `lot` (its number), `first` and `last` (take ids).
    """
    held: Counter[str] = Counter()
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(columns=["take_id"]):
            held.update(dict(row.values() for row in pc.value_counts(batch["take_id"]).to_pylist()))
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


@contextmanager
def _worker(step: Step, parameters: dict, data_dir: Path, folder: Path) -> Iterator[Callable[[dict], list[dict]]]:
    def work(lot: dict) -> list[dict]:
        told = folder / f"{lot['lot']:05d}.json"
        if not told.is_file():
            tables = {
                table: _rows(data_dir / f"{table}.parquet", schema_of(table), lot["first"], lot["last"])
                for table in step.tables
            }
            *made, ledger = step.make(parameters, tables)
            ledger = [*((f"{table}, rows to lots", 0, len(tables[table]), 0) for table in _by_take(step)), *ledger]
            for name, table in zip(SCHEMAS, made, strict=True):
                records.write_table(_file(folder, lot["lot"], name), table, SCHEMAS[name])
            # written last and renamed: where it is, the lot is whole
            told.with_suffix(".partial").write_text(json.dumps(ledger))
            told.with_suffix(".partial").rename(told)
        return [
            dict(zip(("what", "came", "made", "dropped"), entry, strict=True)) for entry in json.loads(told.read_text())
        ]

    yield work


def _rows(path: Path, schema: pa.Schema, first: str, last: str) -> pa.Table:
    """Read the rows of the takes from `first` to `last`; a reject is of the take before the slash of its row id."""
    kept = []
    for batch in records.read_batches(path, schema, schema.names, rows=BATCH):
        take = (
            batch["take_id"]
            if "take_id" in schema.names
            else pc.list_element(pc.split_pattern(batch["row_id"], "/"), 0)
        )
        kept.append(batch.filter(pc.and_(pc.greater_equal(take, first), pc.less_equal(take, last))))
    return pa.Table.from_batches(kept, schema)


def _by_take(step: Step) -> list[str]:
    return [table for table in step.tables if "take_id" in schema_of(table).names]


def schema_of(table: str) -> pa.Schema:
    """Give the schema of a table "step/name"."""
    return records.SCHEMAS[table.split("/")[1]]


def _file(folder: Path, lot: int, name: str) -> Path:
    return folder / f"{lot:05d}-{name}.parquet"


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _join(parts: list[Path], path: Path, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for part in parts:
            for batch in records.read_batches(part, schema, schema.names, rows=BATCH):
                file.write_batch(batch)
