"""Lots of takes: a step that grows with clips makes the rows of some takes at once, then joins what the lots gave.

What is made of a take depends on its own rows, on what a survey of all lots found (alpha of the clips, for one), and,
of which false options are likely in EgoRe, on the other takes of its lot: a lot needs no more than those. It leaves a
file for each table in data/lots/<step>/<digest>, whole or not at all. The digest is of everything that the rows depend
on: a killed step goes on with the lots it had, another input, parameter or line of code starts anew. Lots go through
components/data/partition/executor.py, one after another on this machine or side by side on a Ray cluster.
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
import pyarrow.parquet as pq

from components import records
from components.data.partition import shuffle
from components.data.partition.executor import map_rows

ROWS = 400_000  # of all tables together, in one lot: about a gigabyte with what is made of them
BATCH = 50_000  # rows of a lot's table that are joined at once
_COMPONENTS = Path(__file__).parents[2]

Ledger = list[tuple[str, int, int, int]]
Rows = dict[str, pa.Table]  # of a lot, by "step/table"


@dataclass(frozen=True)
class Step:
    """What a step does with a lot. Its functions are functions of a module, for another process may have to find them.

    Attributes:
        name: of the step and of its folder below data/.
        tables: the tables it reads, as "step/table"; rows go to lots by their take
            (components/data/partition/shuffle.py).
        make: given the parameters and the rows of a lot, gives a table for each of `leaves`, the ledger (what, rows in,
            rows out, rejected) and, where the step sums up, its sums: a JSON value.
        leaves: the tables it writes, of components/records/schemas.py; `rejects` is one of them.
        sources: of captions and questions, the sources that are read.
        survey: given the parameters and the rows of a lot, gives what the other lots have to know of it: a JSON value.
        settle: given these values of all lots in order, gives what is added to the parameters of `make`.
    """

    name: str
    tables: tuple[str, ...]
    make: Callable[[dict, Rows], tuple]
    leaves: tuple[str, ...] = ("samples", "rejects")
    sources: tuple[str, ...] = ()
    survey: Callable[[dict, Rows], object] | None = None
    settle: Callable[[list], dict] | None = None


def run(
    step: Step, parameters: dict, data_dir: Path, *, rows: int = ROWS, rejects: pa.Table | None = None
) -> tuple[Ledger, list]:
    """Make data/<step>/<table>.parquet lot by lot.

    Args:
        parameters: what `step.make` gets; a JSON value.
        rows: rows read in one lot.
        rejects: what was dropped before there were lots; stands first in the table.

    Returns:
        The ledger of all lots together, first how many rows of each table with takes went to lots; and the sums of each
        lot.

    Raises:
        ValueError: a table has other columns than components/records/schemas.py says, or a lot failed; those that were
            made stay for the next run.
    """
    data_dir = data_dir.resolve()
    paths = {table: data_dir / f"{table}.parquet" for table in step.tables}
    held: Counter[str] = Counter()
    # a row that no lot took would be lost without a trace
    ledger = {
        f"{table}, rows to lots": np.array([shuffle.count(paths[table], schema_of(table), step.sources, held), 0, 0])
        for table in _by_take(step)
    }
    digest = hashlib.sha256(json.dumps([step.name, parameters, rows], sort_keys=True).encode())
    for path in [*paths.values(), *sorted(_COMPONENTS.rglob("*.py"))]:
        digest.update(path.read_bytes() if path.suffix == ".py" else _digest_of(path))
    folder = data_dir / "lots" / step.name / digest.hexdigest()[:16]
    for stale in set(folder.parent.glob("*")) - {folder}:
        shutil.rmtree(stale)
    folder.mkdir(parents=True, exist_ok=True)
    lots = shuffle.plan(held, rows=rows)
    if lots.num_rows > 1:
        for table, path in paths.items():
            shuffle.write(path, schema_of(table), lots, _runs(folder, table), sources=step.sources)
    given = lots, paths, folder
    if step.survey:
        parameters = parameters | step.settle(list(_worked_off(step, _survey, parameters, *given)))
    sums = []
    for told in _worked_off(step, _make, parameters, *given):
        sums += told["sums"]
        for what, *numbers in told["ledger"]:
            ledger[what] = ledger.get(what, 0) + np.array(numbers)
    for name in step.leaves:
        parts = [_file(folder, lot, name) for lot in range(lots.num_rows)]
        first = rejects if name == "rejects" else None
        _join(first, parts, data_dir / step.name / f"{name}.parquet", records.SCHEMAS[name])
    shutil.rmtree(folder.parent)
    return [(what, *map(int, numbers)) for what, numbers in ledger.items()], sums


def _worked_off(
    step: Step, work: Callable, parameters: dict, lots: pa.Table, paths: dict[str, Path], folder: Path
) -> Iterator[dict]:
    """Return what `work` told of each lot, in order."""
    told = map_rows(lots, _worker, step, work, parameters, lots, paths, folder, returns=pa.string())
    for lot, done in zip(lots.to_pylist(), told, strict=True):
        if done.error:
            raise ValueError(
                f"step {step.name!r}, takes {lot['first']} to {lot['last']}: {done.error}; mend it and run `dvc repro` "
                "again, lots that were made are kept"
            )
        yield json.loads(Path(done.value).read_text())


@contextmanager
def _worker(
    step: Step, work: Callable, parameters: dict, lots: pa.Table, paths: dict[str, Path], folder: Path
) -> Iterator[Callable[[dict], str]]:
    def told_of(lot: dict) -> str:
        told = folder / f"{lot['lot']:05d}{work.__name__}.json"
        if not told.is_file():
            tables = {table: _rows(step, table, paths[table], lots, lot["lot"], folder) for table in step.tables}
            value = work(step, parameters, tables, folder, lot["lot"])
            # written last and renamed: where it is, the lot is whole
            told.with_suffix(".partial").write_text(json.dumps(value))
            told.with_suffix(".partial").rename(told)
        return str(told)

    yield told_of


def _survey(step: Step, parameters: dict, tables: Rows, *_: object) -> object:
    return step.survey(parameters, tables)


def _make(step: Step, parameters: dict, tables: Rows, folder: Path, lot: int) -> dict:
    made = step.make(parameters, tables)
    ledger, *sums = made[len(step.leaves) :]
    for name, table in zip(step.leaves, made, strict=False):
        schema = records.SCHEMAS[name]
        # Arrow and not Parquet: it is read once and goes, and its batches are those of the joined table
        with pa.ipc.new_file(_file(folder, lot, name), schema, options=shuffle.COMPRESSED) as file:
            file.write_table(table.select(schema.names).cast(schema).combine_chunks(), max_chunksize=BATCH)
    arrived = [(f"{table}, rows to lots", 0, len(tables[table]), 0) for table in _by_take(step)]
    return {"ledger": [*arrived, *ledger], "sums": sums}


def _rows(step: Step, table: str, path: Path, lots: pa.Table, lot: int, folder: Path) -> pa.Table:
    schema = schema_of(table)
    if lots.num_rows > 1:
        return shuffle.read(_runs(folder, table), schema, lot)
    return shuffle.read_whole(path, schema, lots, sources=step.sources)


def _by_take(step: Step) -> list[str]:
    """Return the tables whose rows all belong to a lot; rejects may be of takes that no other table has."""
    return [table for table in step.tables if shuffle.key_columns(schema_of(table).names) != ["row_id"]]


def schema_of(table: str) -> pa.Schema:
    """Return the schema of a table "step/name"."""
    return records.SCHEMAS[table.split("/")[1]]


def _runs(folder: Path, table: str) -> Path:
    return folder / table.replace("/", "-")


def _file(folder: Path, lot: int, name: str) -> Path:
    return folder / f"{lot:05d}-{name}.arrow"


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _join(first: pa.Table | None, parts: list[Path], path: Path, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        if first is not None and len(first):
            file.write_table(first)
        for part in parts:
            with pa.ipc.open_file(part) as made:
                for batch in map(made.get_batch, range(made.num_record_batches)):
                    if len(batch):
                        file.write_batch(batch)
