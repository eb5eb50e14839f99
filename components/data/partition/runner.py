"""Run a step partition by partition: the rows of some takes at a time, so that memory does not grow with the data.

A partition holds all rows of some takes. What a step makes of a take depends on the rows of that take, on what a survey
of all partitions found (alpha of the clips, for one) and, in EgoRe's choice of likely false options, on the other takes
of the same partition. A partition leaves one file for each table of the step in data/partitions/<step>/<digest>, whole
or not at all. The digest is of everything that the rows depend on: a step that was killed continues with the partitions
that are there; another input, parameter or line of code starts anew. Partitions are worked off by
components/data/partition/executor.py, one after another on this machine or side by side on a Ray cluster.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.partition import shuffle
from components.data.partition.executor import map_rows
from components.data.partition.finished_parts import remove_stale, written_whole

TO_PARTITIONS = "rows to partitions"  # ends the name of a count of rows that are only carried
PARTITION_ROWS = 400_000  # of all tables together: about a gigabyte with what is made of them
BATCH_ROWS = 50_000  # rows of a partition's table that are joined at once
_COMPONENTS = Path(__file__).parents[2]

RowCounts = list[tuple[str, int, int, int]]  # what is counted, rows in, rows out, rows rejected
Tables = dict[str, pa.Table]  # the rows of one partition, by "step/table"


@dataclass(frozen=True)
class Survey:
    """A first pass over all partitions, for what each of them has to know of the others.

    Attributes:
        of_partition: takes the parameters and the tables of a partition, returns what it found, a JSON value.
        combine: takes these values of all partitions in order, returns what is added to the parameters of `Step.make`.
    """

    of_partition: Callable[[dict, Tables], object]
    combine: Callable[[list], dict]


@dataclass(frozen=True)
class Step:
    """What a step does with a partition. Its functions stand in a module: a process on another machine looks them up.

    Attributes:
        name: of the step and of its folder below data/.
        inputs: the tables that it reads, as "step/table"; a row belongs to the partition of its take
            (components/data/partition/shuffle.py).
        make: takes the parameters and the tables of a partition, returns a table for each of `outputs`, the row counts
            and, where the step has one, a summary: a JSON value.
        outputs: the tables that it writes, of components/records/schemas.py; `rejects` is one of them.
        sources: of captions and questions, the sources that are read.
        survey: the pass before `make`, if there is one.
        distinct: columns whose values hardly repeat, where no table of `outputs` has nested columns: to look for
            repeats in them, and for the least and the greatest, takes time and makes the file larger.
    """

    name: str
    inputs: tuple[str, ...]
    make: Callable[[dict, Tables], tuple]
    outputs: tuple[str, ...] = ("samples", "rejects")
    sources: tuple[str, ...] = ()
    survey: Survey | None = None
    distinct: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Partitions:
    """The partitions of a step, where their rows are, and the folder that their results go to."""

    step: Step
    cuts: pa.Table  # as `shuffle.partition_takes` returns it
    inputs: dict[str, Path]  # the file of each table of the step
    folder: Path

    def runs(self, table: str) -> Path:
        return self.folder / table.replace("/", "-")

    def output(self, partition: int, name: str) -> Path:
        return self.folder / f"{partition:05d}-{name}.arrow"

    def read(self, partition: int) -> Tables:
        if self.cuts.num_rows > 1:
            return {name: shuffle.read_partition(self.runs(name), schema_of(name), partition) for name in self.inputs}
        return {
            name: shuffle.read_single(path, schema_of(name), self.cuts, sources=self.step.sources)
            for name, path in self.inputs.items()
        }


def run(
    step: Step, parameters: dict, data_dir: Path, *, rows: int = PARTITION_ROWS, rejects: pa.Table | None = None
) -> tuple[RowCounts, list]:
    """Write data/<step>/<table>.parquet, made partition by partition.

    Args:
        step: what is read, made and written.
        parameters: the first argument of `step.make`; a JSON value.
        data_dir: the folder data/.
        rows: rows read in one partition, of all tables together.
        rejects: rows that were rejected before there were partitions; they stand first in the table.

    Returns:
        The row counts of all partitions together, first how many rows of each table with takes came to a partition;
        and the summary of each partition, in order.

    Raises:
        ValueError: a table has other columns than components/records/schemas.py says, or a partition failed; those that
            were made stay for the next run.
    """
    data_dir = data_dir.resolve()
    inputs = {table: data_dir / f"{table}.parquet" for table in step.inputs}
    rows_of_take: Counter[str] = Counter()
    # a row that came to no partition would be lost without a trace
    row_counts = {
        f"{table}, {TO_PARTITIONS}": np.array(
            [shuffle.count_rows(inputs[table], schema_of(table), step.sources, rows_of_take), 0, 0]
        )
        for table in _by_take(step)
    }
    cuts = shuffle.partition_takes(rows_of_take, rows=rows)
    folder = data_dir / "partitions" / step.name / _digest(step, parameters, rows, inputs)[:16]
    remove_stale(folder.parent, "*", [folder])
    folder.mkdir(parents=True, exist_ok=True)
    partitions = _Partitions(step, cuts, inputs, folder)
    if cuts.num_rows > 1:
        for table, path in inputs.items():
            shuffle.write_runs(path, schema_of(table), cuts, partitions.runs(table), sources=step.sources)
    if step.survey:
        found = _worked_off(partitions, "survey", partial(_survey, step.survey, parameters))
        parameters = parameters | step.survey.combine(list(found))
    summaries = []
    for made in _worked_off(partitions, "make", partial(_make, partitions, parameters)):
        summaries += made["summary"]
        for what, *numbers in made["row_counts"]:
            row_counts[what] = row_counts.get(what, 0) + np.array(numbers)
    for name in step.outputs:
        parts = [partitions.output(number, name) for number in range(cuts.num_rows)]
        first = rejects if name == "rejects" else None
        schema = records.SCHEMAS[name]
        # by name, pyarrow knows the leaves of nested columns alone
        repeated = [column for column in schema.names if column not in step.distinct] if step.distinct else True
        _join(first, parts, data_dir / step.name / f"{name}.parquet", schema, repeated=repeated)
    shutil.rmtree(folder.parent)
    return [(what, int(came), int(made), int(lost)) for what, (came, made, lost) in row_counts.items()], summaries


def _digest(step: Step, parameters: dict, rows: int, inputs: dict[str, Path]) -> str:
    """Return the digest of the parameters, of the tables and of all code, whatever of it the step runs."""
    digest = hashlib.sha256(json.dumps([step.name, parameters, rows], sort_keys=True).encode())
    for path in [*inputs.values(), *sorted(_COMPONENTS.rglob("*.py"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _worked_off(partitions: _Partitions, pass_name: str, work: Callable[[Tables, int], object]) -> Iterator:
    """Return what `work` returns for each partition, in order; work that an earlier run finished is not done again.

    Args:
        partitions: the partitions of a step.
        pass_name: "survey" or "make", for the names of the files that the results are kept in.
        work: takes the tables and the number of a partition, returns a JSON value; can be pickled.
    """
    results = map_rows(partitions.cuts, _worker, partitions, pass_name, work, returns=pa.string())
    for cut, done in zip(partitions.cuts.to_pylist(), results, strict=True):
        if done.error:
            raise ValueError(
                f"step {partitions.step.name!r}, takes {cut['first_take']} to {cut['last_take']}: {done.error}; mend "
                "it and run `dvc repro` again, partitions that were made are kept"
            )
        yield json.loads(Path(done.value).read_text())


@contextmanager
def _worker(
    partitions: _Partitions, pass_name: str, work: Callable[[Tables, int], object]
) -> Generator[Callable[[dict], str]]:
    def result_of(cut: dict) -> str:
        number = cut["partition"]
        path = partitions.folder / f"{number:05d}-{pass_name}.json"
        if not path.is_file():
            value = work(partitions.read(number), number)
            # written after the tables of the partition: where this file is, the partition is whole
            with written_whole(path) as unfinished:
                unfinished.write_text(json.dumps(value))
        return str(path)

    yield result_of


def _survey(survey: Survey, parameters: dict, tables: Tables, _: int) -> object:
    return survey.of_partition(parameters, tables)


def _make(partitions: _Partitions, parameters: dict, tables: Tables, number: int) -> dict:
    step = partitions.step
    made = step.make(parameters, tables)
    row_counts, *summary = made[len(step.outputs) :]
    for name, table in zip(step.outputs, made, strict=False):
        schema = records.SCHEMAS[name]
        # Arrow and not Parquet: it is read once and goes, and its batches are those of the joined table
        with pa.ipc.new_file(partitions.output(number, name), schema, options=shuffle.COMPRESSED) as file:
            file.write_table(table.select(schema.names).cast(schema).combine_chunks(), max_chunksize=BATCH_ROWS)
    arrived = [(f"{table}, {TO_PARTITIONS}", 0, len(tables[table]), 0) for table in _by_take(step)]
    return {"row_counts": [*arrived, *row_counts], "summary": summary}


def _by_take(step: Step) -> list[str]:
    """Return the tables whose rows all come to a partition; rejects may be of takes that no other table has."""
    return [table for table in step.inputs if shuffle.key_columns(schema_of(table).names) != ["row_id"]]


def schema_of(table: str) -> pa.Schema:
    """Return the schema of a table "step/name"."""
    return records.SCHEMAS[table.split("/")[1]]


def _join(
    first: pa.Table | None, parts: list[Path], path: Path, schema: pa.Schema, *, repeated: bool | list[str]
) -> None:
    """Write a table of the rows of `first` and of the parts, a batch at a time.

    Args:
        first: rows that stand first.
        parts: Arrow files of the other rows.
        path: of the table.
        schema: of the table.
        repeated: the columns that get dictionaries and statistics; True is all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated, write_statistics=repeated) as file:
        if first is not None and len(first):
            file.write_table(first)
        for part in parts:
            with pa.ipc.open_file(part) as made:
                for batch in map(made.get_batch, range(made.num_record_batches)):
                    if len(batch):
                        file.write_batch(batch)
