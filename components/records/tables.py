"""Reading and writing the Parquet tables of the records, with their schemas checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.records.schemas import VIDEO, VIDEOS


def write_table(path: Path, rows: Iterable[dict] | pa.Table, schema: pa.Schema) -> pa.Table:
    """Write rows as a Parquet table and return it.

    Args:
        path: the file; its folder is made.
        rows: dicts or an Arrow table.
        schema: of the table that is written.

    Raises:
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError: a value does not fit its column.
        KeyError: an Arrow table lacks a column of the schema.
    """
    table = (
        rows.select(schema.names).cast(schema)
        if isinstance(rows, pa.Table)
        else pa.Table.from_pylist(list(rows), schema)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    return table


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet table and check that its columns are those of `schema`.

    Raises:
        ValueError: the file is missing or broken, or its schema differs (names what came and what is allowed).
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(_unreadable(path, error)) from error
    _check(path, table.schema, schema)
    return table


def rows(table: pa.Table, places: Iterable[int]) -> Iterator[dict]:
    """Yield some rows of a table as dicts of Python values with the types of its schema.

    The way of pandas (`to_pandas().to_dict("records")`) gives 1.0 for an integer where another row of its column is
    null, and arrays for lists.

    Args:
        table: of one chunk, where single rows of a large table are asked for again and again.
        places: numbers of rows.

    Raises:
        IndexError: there is no such row.
    """
    for place in places:
        yield table.slice(int(place), 1).to_pylist()[0]


def read_batches(path: Path, schema: pa.Schema, columns: list[str], *, rows: int) -> Iterator[pa.RecordBatch]:
    """Read some columns of a Parquet table in batches, and check its schema as `read_table` does.

    Args:
        path: the file.
        schema: that the whole table must have.
        columns: names of those that are read.
        rows: at most so many in a batch.

    Raises:
        ValueError: as `read_table`.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(_unreadable(path, error)) from error
    with file:
        _check(path, file.schema_arrow, schema)
        yield from file.iter_batches(rows, columns=columns)


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read: {error}; remove what is there and rerun `dvc repro`"


def _check(path: Path, came: pa.Schema, allowed: pa.Schema) -> None:
    if not came.equals(allowed):
        raise ValueError(
            f"{path}: columns are {came.names}, allowed are {allowed.names} with the types of "
            "components/records/schemas.py; rerun `dvc repro`"
        )


def read_videos(data_dir: Path) -> pa.Table:
    """Read the tables of VIDEOS below the data folder as one; all but the first are left out where they are not there.

    Raises:
        ValueError: as `read_table`.
    """
    first, *others = (data_dir / f"{name}.parquet" for name in VIDEOS)
    return pa.concat_tables([read_table(path, VIDEO) for path in (first, *filter(Path.is_file, others))])
