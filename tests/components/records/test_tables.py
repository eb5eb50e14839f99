"""Tables are written and read under their schema, and what does not fit is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
