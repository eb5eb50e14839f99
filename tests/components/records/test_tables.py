"""Tables are written and read under their schema, and what does not fit is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components import records

ROWS = [{"step": "clips", "row_id": str(number), "reason": "short", "detail": ""} for number in range(5)]


def video(number: int) -> dict:
    return dict.fromkeys(records.VIDEO.names) | {"video_id": f"v{number}"}


def test_what_was_written_is_read_and_a_second_write_replaces_it(tmp_path):
    path = tmp_path / "a" / "b" / "rejects.parquet"
    for rows in (ROWS, ROWS[:2]):
        written = records.write_table(path, iter(rows), records.REJECT)
        assert written.to_pylist() == records.read_table(path, records.REJECT).to_pylist() == rows


def test_of_an_arrow_table_the_columns_of_the_schema_are_written_in_their_order_and_type(tmp_path):
    table = pa.table({name: pa.array(["x"], pa.large_string()) for name in ("more", *reversed(records.REJECT.names))})
    assert records.write_table(tmp_path / "rejects.parquet", table, records.REJECT).schema.equals(records.REJECT)
    with pytest.raises(KeyError):
        records.write_table(tmp_path / "rejects.parquet", table.drop_columns(["step"]), records.REJECT)


@pytest.mark.parametrize("corners", [3, 5])
def test_a_box_label_has_four_corners(corners, tmp_path):
    row = dict.fromkeys(records.BOX_LABEL.names)
    path = tmp_path / "boxes.parquet"
    records.write_table(path, [row | {"box_xyxy": [0.0, 0.0, 1.0, 1.0]}], records.BOX_LABEL)
    with pytest.raises(pa.ArrowInvalid):
        records.write_table(path, [row | {"box_xyxy": [0.0] * corners}], records.BOX_LABEL)


def test_batches_hold_the_columns_and_the_number_of_rows_that_were_asked_for(tmp_path):
    path = tmp_path / "rejects.parquet"
    records.write_table(path, ROWS, records.REJECT)
    batches = list(records.read_batches(path, records.REJECT, ["row_id"], rows=2))
    assert [batch.to_pydict() for batch in batches] == [
        {"row_id": ["0", "1"]},
        {"row_id": ["2", "3"]},
        {"row_id": ["4"]},
    ]


def values(kind: pa.DataType) -> st.SearchStrategy:
    """Values of a column of this type, with nulls wherever Arrow allows them."""
    if pa.types.is_struct(kind):
        made = st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    elif pa.types.is_fixed_size_list(kind):  # Parquet cannot read a null one back
        return st.lists(st.floats(0, 100), min_size=kind.list_size, max_size=kind.list_size)
    elif pa.types.is_list(kind):
        made = st.lists(values(kind.value_type), max_size=3)
    elif pa.types.is_floating(kind):
        made = st.floats(allow_nan=False)
    else:
        made = {
            pa.string(): st.text(max_size=3),
            pa.int64(): st.integers(-(2**63), 2**63 - 1),
            pa.bool_(): st.booleans(),
        }[kind]
    return st.none() | made


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("table", records.SCHEMAS)
def test_rows_are_read_with_the_values_and_types_that_were_written(tmp_path, table, data):
    schema = records.SCHEMAS[table]
    columns = [data.draw(st.lists(values(field.type), min_size=2, max_size=2)) for field in schema]
    rows = [dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True)]
    records.write_table(tmp_path / "table.parquet", rows, schema)
    read = list(records.rows(records.read_table(tmp_path / "table.parquet", schema), range(2)))
    assert types_of(read) == types_of(rows) and read == rows


def types_of(value: object) -> object:
    """The types of a nested value: 1 and 1.0 are equal, and so are members in another order."""
    if isinstance(value, dict):
        return {name: types_of(member) for name, member in value.items()}
    return [types_of(member) for member in value] if isinstance(value, list) else type(value)


def read_whole(path, schema):
    return records.read_table(path, schema)


def read_in_batches(path, schema):
    return list(records.read_batches(path, schema, ["row_id"], rows=2))


@pytest.mark.parametrize("read", [read_whole, read_in_batches])
def test_a_table_that_is_missing_broken_or_of_other_columns_is_refused(read, tmp_path):
    path = tmp_path / "rejects.parquet"
    with pytest.raises(ValueError, match=r"rejects.parquet cannot be read: .*remove what is there and rerun"):
        read(path, records.REJECT)
    path.write_text("no Parquet")
    with pytest.raises(ValueError, match=r"rejects.parquet cannot be read: .*remove what is there and rerun"):
        read(path, records.REJECT)
    pq.write_table(pa.table({"row_id": [1]}), path)
    with pytest.raises(
        ValueError, match=r"columns are \['row_id'\], allowed are \['step', 'row_id', 'reason', 'detail'\]"
    ):
        read(path, records.REJECT)


def test_videos_are_those_of_every_step_that_has_some(tmp_path):
    records.write_table(tmp_path / "annotations/videos.parquet", [video(0)], records.VIDEO)
    assert records.read_videos(tmp_path)["video_id"].to_pylist() == ["v0"]
    records.write_table(tmp_path / "media/videos.parquet", [video(1)], records.VIDEO)
    records.write_table(tmp_path / "funnel/videos.parquet", [video(2)], records.VIDEO)
    assert records.read_videos(tmp_path)["video_id"].to_pylist() == ["v0", "v1", "v2"]
    (tmp_path / "annotations/videos.parquet").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        records.read_videos(tmp_path)
