"""The one door to Daft: rows of work are worked off in this process, or on a Ray cluster.

The environment alone says where: nothing set is embedded; `DAFT_RUNNER=ray` is Ray, the cluster at `RAY_ADDRESS` or one
that Ray starts on this machine. A row is a piece of work that depends on no other, such as a shard that its worker
writes to a file: the values that come back should be small. Every node sees the project folder at the same path.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow as pa

Work = Callable[[dict], Any]


class Done(NamedTuple):
    """The result of a row: its value, or the error that it ended with."""

    value: Any
    error: str | None


def map_rows(
    rows: pa.Table,
    worker: Callable[..., AbstractContextManager[Work]],
    *arguments: object,
    returns: pa.DataType,
    cpus: int = 1,
) -> Iterator[Done]:
    """Hand every row to a worker; embedded there is one, on Ray as many as the cluster has `cpus` for.

    An error of one row ends no other. Values come in the order of the rows, each when those before it are done. Where
    there is one row alone, it is worked off in this process without Daft, unless the environment says Ray.

    Args:
        rows: what there is to do; a worker sees a row as a dict.
        worker: a context manager, entered once in each worker, that yields the function of a row. Both must be
            picklable. On Ray it is not left: the worker's process is killed when there are no more rows.
        arguments: of `worker`.
        returns: Arrow type of the function's values.
        cpus: cores that one worker keeps busy, by threads or processes of its own.
    """
    if rows.num_rows == 0:
        return
    names, outcome = rows.schema.names, pa.struct([("value", returns), ("error", pa.string())])
    if rows.num_rows == 1 and os.environ.get("DAFT_RUNNER") != "ray":
        # nothing to share out: to load Daft would take longer than the row of a small corpus
        with worker(*arguments) as work:
            (done,) = pa.array([_outcome(work, *rows.to_pylist())], outcome).to_pylist()
        yield Done(**done)
        return
    daft, on_ray = _daft()
    with ExitStack() as opened:

        class Worker:
            def __init__(self) -> None:
                self.work = opened.enter_context(worker(*arguments))

            @daft.method.batch(return_dtype=daft.DataType.from_arrow_type(outcome), batch_size=1)
            def outcomes(self, *columns: daft.Series) -> pa.Array:
                values = zip(*(column.to_pylist() for column in columns), strict=True)
                given_rows = (dict(zip(names, row, strict=True)) for row in values)
                return pa.array([_outcome(self.work, row) for row in given_rows], outcome)

        frame, limits = daft.from_arrow(rows), {}
        if on_ray:
            limits = {"cpus": cpus, "max_concurrency": _workers_on_ray(cpus)}
            frame = frame.into_partitions(rows.num_rows)  # a partition goes to one worker as a whole
        made = daft.cls(Worker, use_process=False, **limits)()
        done = frame.select(made.outcomes(*map(daft.col, names)).alias("done"))
        for batch in done.to_arrow_iter():
            for result in batch.column(0).to_pylist():
                yield Done(**result)


@cache
def _daft() -> tuple[ModuleType, bool]:
    """Load Daft and choose its runner, which cannot be changed later; return Daft and whether the runner is Ray."""
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    if "RAY_ADDRESS" not in os.environ:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # on any system: Ray listens on loopback only
    # before the import: Daft names there each operator that it runs, once a partition
    logging.getLogger("tracing.span").setLevel(logging.WARNING)
    import daft

    on_ray = daft.runners.get_or_infer_runner_type() == "ray"
    if on_ray:
        daft.runners.get_or_create_runner()
    else:
        daft.set_runner_native(num_threads=1)  # more would call the one worker from several threads at once
    return daft, on_ray


def _outcome(work: Work, row: dict) -> dict:
    try:
        return {"value": work(row), "error": None}
    except Exception as error:  # noqa: BLE001 - whatever it was, the other rows do not depend on it
        return {"value": None, "error": f"{type(error).__name__}: {error}"}


def _workers_on_ray(cpus: int) -> int:
    import ray

    # a worker does not stretch over nodes
    return max(1, sum(int(node["Resources"].get("CPU", 0) // cpus) for node in ray.nodes() if node["Alive"]))
