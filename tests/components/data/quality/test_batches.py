"""Samples in parts: never more rows than may be held, and every row once, in order."""

import pyarrow as pa
import pytest

from components import records
from components.data.quality import batches


@pytest.mark.parametrize("count", [0, 1, 9, 10, 25])
def test_no_part_is_larger_than_allowed_and_the_first_is_empty(tmp_path, monkeypatch, count):
    monkeypatch.setattr(batches, "ROWS", 10)
    named = {"corpus": "c", "task": "qa", "question_type": "x", "split": "train"}
    rows = [named | {"sample_id": f"{n}", "take_id": f"t{n}"} for n in range(count)]
    records.write_table(tmp_path / "samples.parquet", rows, records.SAMPLE)
    made = list(batches.read(tmp_path / "samples.parquet", ["take_id", "media"]))
    assert [len(frame) for _, frame in made] == [len(table) for table, _ in made]
    assert len(made[0][0]) == 0 and max(len(table) for table, _ in made) <= 10
    assert [take for _, frame in made for take in frame["take_id"]] == [f"t{n}" for n in range(count)]
    assert {kind for _, frame in made for kind in frame["type"]} <= {"c/qa/x"}
    assert {name for table, _ in made for name in table.column_names} == {*batches.KEYS, "take_id", "media"}


def test_another_table_is_an_error_that_names_it(tmp_path):
    records.write_table(tmp_path / "samples.parquet", pa.table({"a": [1]}), pa.schema([("a", pa.int64())]))
    with pytest.raises(ValueError, match=r"samples\.parquet: columns are \['a'\]"):
        list(batches.read(tmp_path / "samples.parquet", ["take_id"]))
