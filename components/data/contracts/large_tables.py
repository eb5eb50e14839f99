"""The tables of a step as they are judged: small ones whole, large ones some rows at a time.

Large are those of CORPORA, and those that are made lot by lot where they have more than ROWS rows. No more than a batch
of a large table is held, and 8 bytes for each id that may be met again: its own, so that an id is found in two batches,
and those of the tables that its rows name.
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
from components.data.contracts import sample
from components.data.contracts.rules import Contract, among
from components.data.contracts.tables import CORPORA, KEYS, LEAVES, PARENTS, REFERS_TO, Known, contract, splits
from components.data.media import FOLDERS
from components.data.seen_ids import seen_before

ROWS = 200_000
FRESH = "the id stands in no earlier batch"
OF_LOTS = ("clips", "egoit", "egore", "dataset")  # steps of components/data/partition/runner.py
NAMES = {"clips": ("narrations",), "samples": PARENTS}  # table of such a step -> the tables whose ids its rows name
_TAKES = ["take_id", "split"]

Lookup = Callable[[str, pa.Table], Known]


def load(step: str, data_dir: Path) -> dict[str, pa.Table | Path]:
    """Read the tables that judging a step needs, as they are: a wrong schema is for the contract to tell.

    Returns:
        "step/table" -> table; the file for the step's own tables of CORPORA; of those of another step, the ids that
        samples can be made from. A video table beside the first is left out where it is not there. Where a step of
        OF_LOTS has a table of more than ROWS rows, files for all but these ids and the videos.
    """
    loaded: dict[str, pa.Table | Path] = {}
    own = [data_dir / f"{step}/{name}.parquet" for name in LEAVES[step]]
    is_large = step in OF_LOTS and any(pq.read_metadata(file).num_rows > ROWS for file in own)
    for path in (*(f"{step}/{name}" for name in LEAVES[step]), *REFERS_TO[step]):
        file, name = data_dir / f"{path}.parquet", path.split("/")[1]
        if name in CORPORA and path in REFERS_TO[step]:
            loaded[path] = pq.read_table(file, columns=[KEYS[name]], filters=[("source", "in", list(FOLDERS))])
        elif name in CORPORA or (is_large and name != "videos"):
            loaded[path] = file
        elif file.is_file() or path not in records.VIDEOS[1:]:
            loaded[path] = pq.read_table(file)
    return loaded


def empty(table: pa.Table | Path) -> pa.Table:
    """Return the columns of a table without its rows."""
    return (pq.read_schema(table) if isinstance(table, Path) else table.schema).empty_table()


def lookup(step: str, tables: dict[str, pa.Table | Path]) -> Lookup:
    """Return a function that finds what some rows of a table of the step name.

    Args:
        tables: as `load` gives them.

    Returns:
        Given the name of a table and some of its rows: the videos, and of other tables those ids that the rows name and
        that are there.
    """
    referred: dict[str, list[pa.Table | Path]] = {}
    for path in filter(tables.__contains__, REFERS_TO[step]):
        referred.setdefault(path.split("/")[1], []).append(tables[path])
    wanted = {name for table in LEAVES[step] for name in NAMES.get(table, ())} & referred.keys() - {"videos"}
    ids = {
        name: np.sort(np.concatenate([_hashed(part[KEYS[name]]) for part in _columns(referred[name], [KEYS[name]])]))
        for name in wanted
    }
    videos = {"videos": pa.concat_tables(referred["videos"]).to_pandas()} if "videos" in referred else {}

    def known(name: str, rows: pa.Table) -> Known:
        if name not in NAMES:
            return {}
        told = rows["narration_id"] if name == "clips" else rows["parents"].combine_chunks().flatten()
        keys = _hashed(told)
        here = {each: told.filter(pa.array(_among(keys, ids[each]))) for each in NAMES[name] if each in ids}
        return videos | {each: found.to_pandas().to_frame(KEYS[each]) for each, found in here.items()}

    return known


def across(step: str, tables: dict[str, pa.Table | Path]) -> dict[str, Contract]:
    """Return the contracts that hold across the tables of a step of OF_LOTS whose tables are files; none where not."""
    if step not in OF_LOTS or not any(isinstance(table, Path) for table in tables.values()):
        return {}
    of_takes = [table for table in tables.values() if set(_TAKES) <= set(empty(table).schema.names)]
    made = {"splits": splits([part.group_by(_TAKES).aggregate([]) for part in _columns(of_takes, _TAKES)])}
    if "samples" in LEAVES[step]:
        frame, rules = sample.answer_positions(*_columns([tables[f"{step}/samples"]], ["target"]))
        made["answer_positions"] = Contract(frame, "position", rules)
    return made


def in_batches(
    name: str, table: pa.Table | Path, known: Lookup | None = None, *, repeats: bool = False
) -> Iterator[tuple[str, str, Contract]]:
    """Return the contracts of a table, a batch of rows after the other.

    Args:
        known: see `lookup`; for tables whose rows name no others, none.
        repeats: whether an id may stand twice.

    Yields:
        The name of the contract, which rows it is about ("" where it is about all), and the contract.
    """
    seen, pairs, key = [], [], KEYS[name]
    for first, part, is_all in _parts(table):
        made = contract(name, part, known(name, part) if known else {}, repeats=repeats)
        # an id that stands twice in one batch is told by the rule of the batch
        rows = "" if is_all else f" rows {first} to {first + len(part) - 1}"
        if not repeats:
            fresh = {FRESH: ~seen_before(_hashed(part[key]), seen)}
            made = replace(made, frame=made.frame.assign(**fresh), rules=[*made.rules, *among(**{FRESH: [True]})])
        yield name, rows, made
        if name in CORPORA and "take_id" in part.schema.names:
            pairs.append(part.group_by(_TAKES).aggregate([]))
    if pairs:
        yield f"{name}_splits", "", splits(pairs)


def _hashed(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return hash_array(ids.to_pandas().to_numpy(dtype=object), categorize=False)


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tell which keys are in a sorted array."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def _columns(tables: list[pa.Table | Path], columns: list[str]) -> Iterator[pa.Table]:
    """Read some columns of some tables, about ROWS rows at a time."""
    for table in tables:
        for _, part, _ in _parts(table, columns):
            yield part


def _parts(table: pa.Table | Path, columns: list[str] | None = None) -> Iterator[tuple[int, pa.Table, bool]]:
    """Return the number of the first row, about ROWS rows, and whether they are all; at least once."""
    if isinstance(table, pa.Table):
        table = table if columns is None else table.select(columns)
        total, batches = len(table), iter(table.to_batches(ROWS))
        schema = table.schema
    else:
        file = pq.ParquetFile(table)
        total, schema, batches = file.metadata.num_rows, file.schema_arrow, file.iter_batches(ROWS, columns=columns)
        schema = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    first, held = 0, []
    for batch in batches:
        held.append(batch)
        if (rows := sum(map(len, held))) >= ROWS:
            yield first, pa.Table.from_batches(held), rows == total
            first, held = first + rows, []
    if held or first == 0:
        yield first, pa.Table.from_batches(held, schema), first == 0
