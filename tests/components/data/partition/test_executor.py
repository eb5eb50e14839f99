from contextlib import contextmanager

import pyarrow as pa
import pytest

from components.data.partition import executor
from components.data.partition.executor import Done, map_rows

left = []


@contextmanager
def halves(name):
    """A worker that remembers how many rows it had, and fails on what it cannot halve."""
    seen = []

    def work(row):
        seen.append(row["number"])
        if row["number"] % 2:
            raise ValueError(f"{row['number']} is odd")
        return {"half": row["number"] // 2, "nested": row["nested"], "seen": len(seen)}

    try:
        yield work
    finally:
        left.append((name, len(seen)))


HALF = pa.struct([("half", pa.int64()), ("nested", pa.list_(pa.int64())), ("seen", pa.int64())])


def test_rows_come_back_in_order_and_an_error_ends_no_other(caplog):
    caplog.set_level("INFO")
    left.clear()
    rows = pa.table({"number": [4, 3, 8, 6], "nested": [[1], [], [2, 3], []]})
    assert list(map_rows(rows, halves, "mine", returns=HALF)) == [
        Done({"half": 2, "nested": [1], "seen": 1}, None),
        Done(None, "ValueError: 3 is odd"),
        Done({"half": 4, "nested": [2, 3], "seen": 3}, None),
        Done({"half": 3, "nested": [], "seen": 4}, None),
    ]
    # one worker for all rows, and it is left at the end
    assert left == [("mine", 4)]
    assert not [told for told in caplog.records if told.name == "tracing.span"], "Daft tells of each partition"


def test_a_single_row_needs_no_daft(monkeypatch):
    monkeypatch.setattr(executor, "_daft", lambda: pytest.fail("Daft was loaded"))
    monkeypatch.delenv("DAFT_RUNNER", raising=False)
    left.clear()
    for number, done in (
        (4, Done({"half": 2, "nested": [1], "seen": 1}, None)),
        (3, Done(None, "ValueError: 3 is odd")),
    ):
        assert list(map_rows(pa.table({"number": [number], "nested": [[1]]}), halves, "one", returns=HALF)) == [done]
    assert left == [("one", 1), ("one", 1)]


def test_no_rows_start_no_worker():
    left.clear()
    assert list(map_rows(pa.table({"number": pa.array([], pa.int64())}), halves, "none", returns=HALF)) == []
    assert left == []


def test_the_worker_is_left_when_nobody_wants_the_rest():
    left.clear()
    rows = pa.table({"number": list(range(0, 40, 2)), "nested": [[]] * 20})
    values = map_rows(rows, halves, "some", returns=HALF)
    assert next(values).value["half"] == 0
    values.close()
    assert [name for name, _ in left] == ["some"]
