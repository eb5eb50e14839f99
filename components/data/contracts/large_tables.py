"""The tables of a step as their contracts are checked: small ones whole, large ones in batches.

Large are the tables of CORPORA, and those of PARTITIONED_STEPS where one has more than BATCH_ROWS rows. In memory are a
batch of a large table and 8 bytes for each id that may come again: its own, to find one that stands in two batches, and
those of the tables that its rows refer to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.util import hash_array

from components import records
from components.data.contracts import sample, values
from components.data.contracts.rules import Contract, among
from components.data.contracts.tables import CORPORA, KEYS, OUTPUTS, PARENTS, REFERS_TO, Known, contract, splits
from components.data.media import FOLDERS
from components.data.seen_ids import seen_before

BATCH_ROWS = 200_000
NEW_ID = "the id stands in no earlier batch"
PARTITIONED_STEPS = ("clips", "pretraining", "egoit", "egore", "dataset")  # by components/data/partition/runner.py
REFERENCES = {"clips": ("narrations",), "samples": PARENTS}  # table of such a step -> tables that its rows refer to
_TAKES = ["take_id", "split"]

Lookup = Callable[[str, pa.Table], Known]


def load(step: str, data_dir: Path) -> dict[str, pa.Table | Path]:
    """Read the tables that the contracts of a step need, whatever their schemas are: those are checked by a contract.

    Args:
        step: a key of OUTPUTS.
        data_dir: the folder data/.

    Returns:
        "step/table" -> the table or, where it is large, its file. Of tables of CORPORA of another step, the ids that
        samples can be made from. A video table beside the first is left out where there is none.
    """
    loaded: dict[str, pa.Table | Path] = {}
    own = [data_dir / f"{step}/{name}.parquet" for name in OUTPUTS[step]]
    is_large = step in PARTITIONED_STEPS and any(pq.read_metadata(file).num_rows > BATCH_ROWS for file in own)
    for path in (*(f"{step}/{name}" for name in OUTPUTS[step]), *REFERS_TO[step]):
        file, name = data_dir / f"{path}.parquet", path.split("/")[1]
        if name in CORPORA and path in REFERS_TO[step]:
            loaded[path] = pq.read_table(file, columns=[KEYS[name]], filters=[("source", "in", list(FOLDERS))])
        elif name in CORPORA or (is_large and name != "videos"):
            loaded[path] = file
        elif file.is_file() or path not in records.VIDEOS[1:]:
            loaded[path] = pq.read_table(file)
    return loaded


def without_rows(table: pa.Table | Path) -> pa.Table:
    """Return a table of the same schema without rows."""
    return (pq.read_schema(table) if isinstance(table, Path) else table.schema).empty_table()


def lookup(step: str, tables: dict[str, pa.Table | Path]) -> Lookup:
    """Return a function that looks up what some rows of a table of the step refer to.

    Args:
        step: a key of OUTPUTS.
        tables: as `load` returns them.

    Returns:
        A function of the name of a table and some of its rows. It returns all videos and, of other tables, the ids that
        the rows refer to and that exist.
    """
    referred: dict[str, list[pa.Table | Path]] = {}
    for path in filter(tables.__contains__, REFERS_TO[step]):
        referred.setdefault(path.split("/")[1], []).append(tables[path])
    wanted = {name for table in OUTPUTS[step] for name in REFERENCES.get(table, ())} & referred.keys() - {"videos"}
    ids = {
        name: np.sort(np.concatenate([_hashed(part[KEYS[name]]) for part in _columns(referred[name], [KEYS[name]])]))
        for name in wanted
    }
    videos = {"videos": pa.concat_tables(referred["videos"]).to_pandas()} if "videos" in referred else {}

    def known(name: str, rows: pa.Table) -> Known:
        if name not in REFERENCES:
            return {}
        parents = rows["narration_id"] if name == "clips" else rows["parents"].combine_chunks().flatten()
        keys = _hashed(parents)
        found = dict(videos)
        for other in filter(ids.__contains__, REFERENCES[name]):
            found[other] = parents.filter(pa.array(_among(keys, ids[other]))).to_pandas().to_frame(KEYS[other])
        return found

    return known


def across_tables(step: str, tables: dict[str, pa.Table | Path]) -> dict[str, Contract]:
    """Return the contracts across the tables of a step of PARTITIONED_STEPS with large tables; none for other steps."""
    if step not in PARTITIONED_STEPS or not any(isinstance(table, Path) for table in tables.values()):
        return {}
    of_takes = [table for table in tables.values() if set(_TAKES) <= set(without_rows(table).schema.names)]
    made = {"splits": splits([part.group_by(_TAKES).aggregate([]) for part in _columns(of_takes, _TAKES)])}
    if "samples" in OUTPUTS[step]:
        frame, rules = sample.answer_positions(*_columns([tables[f"{step}/samples"]], ["target"]))
        made["answer_positions"] = Contract(frame, "position", rules)
    return made


def in_batches(
    name: str, table: pa.Table | Path, known: Lookup | None = None, *, repeats: bool = False
) -> Iterator[tuple[str, str, Contract]]:
    """Yield the contracts of a table, batch by batch.

    Args:
        name: of the table.
        table: the table or its file.
        known: as `lookup` returns it; None for tables whose rows refer to no others.
        repeats: whether an id may stand twice.

    Yields:
        The name of the contract, which rows it is about ("" where it is about all), and the contract. No other follows
        that of values which do not hold.
    """
    seen, pairs, key = [], [], KEYS[name]
    for first, part, is_all in _parts(table):
        rows = "" if is_all else f" rows {first} to {first + len(part) - 1}"
        checked = values.contract({name: part})
        yield f"{name}_values", rows, checked
        if not values.holds(checked):
            return  # the other rules trust the values
        made = contract(name, part, known(name, part) if known else {}, repeats=repeats)
        if not repeats:
            # an id that stands twice in one batch is found by the rule of the batch itself
            fresh = {NEW_ID: ~seen_before(_hashed(part[key]), seen)}
            made = replace(made, frame=made.frame.assign(**fresh), rules=[*made.rules, *among(**{NEW_ID: [True]})])
        yield name, rows, made
        if name in CORPORA and "take_id" in part.schema.names:
            pairs.append(part.group_by(_TAKES).aggregate([]))
    if pairs:
        yield f"{name}_splits", "", splits(pairs)


def _hashed(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return hash_array(ids.to_pandas().to_numpy(dtype=object), categorize=False)


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mark the keys that are in a sorted array: bool [keys]."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def _columns(tables: list[pa.Table | Path], columns: list[str]) -> Iterator[pa.Table]:
    """Read some columns of some tables, about BATCH_ROWS rows at a time."""
    for table in tables:
        for _, part, _ in _parts(table, columns):
            yield part


def _parts(table: pa.Table | Path, columns: list[str] | None = None) -> Iterator[tuple[int, pa.Table, bool]]:
    """Yield the number of the first row, about BATCH_ROWS rows, and whether these are all; yields at least once."""
    if isinstance(table, pa.Table):
        table = table if columns is None else table.select(columns)
        total, batches = len(table), iter(table.to_batches(BATCH_ROWS))
        schema = table.schema
    else:
        file = pq.ParquetFile(table)
        total, schema, batches = (
            file.metadata.num_rows,
            file.schema_arrow,
            file.iter_batches(BATCH_ROWS, columns=columns),
        )
        schema = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    first, held = 0, []
    for batch in batches:
        held.append(batch)
        if (rows := sum(map(len, held))) >= BATCH_ROWS:
            yield first, pa.Table.from_batches(held), rows == total
            first, held = first + rows, []
    if held or first == 0:
        yield first, pa.Table.from_batches(held, schema), first == 0
