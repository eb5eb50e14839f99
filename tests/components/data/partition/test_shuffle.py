"""Rows come to the lot of their take, each once and in the order of the table."""

from collections import Counter
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import records
from components.data.partition import shuffle
from tests.components.data.conftest import annotation_tables

REJECTS = st.lists(st.sampled_from([f"take{number}/{row}" for number in range(12) for row in range(2)]), max_size=40)


def interval(take: int, number: int) -> dict:
    return {"interval_id": f"{take}-{number}", "source": "s", "take_id": f"take{take}", "video_id": "v"} | {
        "start_s": 0.0, "end_s": 1.0, "text": "said", "split": "train"
    }  # fmt: skip


def test_takes_are_cut_where_the_rows_are():
    held = Counter({f"take{take}": take for take in range(1, 8)})
    assert shuffle.plan(held, rows=6).to_pylist() == [
        {"lot": 0, "first": "take1", "last": "take3"},
        {"lot": 1, "first": "take4", "last": "take4"},
        {"lot": 2, "first": "take5", "last": "take5"},
        {"lot": 3, "first": "take6", "last": "take6"},
        {"lot": 4, "first": "take7", "last": "take7"},
    ]
    assert shuffle.plan(Counter(), rows=6).num_rows == 0


@settings(deadline=None, max_examples=25)
@given(takes=st.lists(st.integers(0, 11), min_size=1, max_size=60), refused=REJECTS, rows=st.integers(1, 30))
@pytest.mark.parametrize("at_once", [7, 1000])
def test_every_row_is_in_the_lot_of_its_take(tmp_path_factory, at_once, takes, refused, rows):
    folder = tmp_path_factory.mktemp("spread")
    intervals = [interval(take, number) for number, take in enumerate(takes)]
    rejects = [{"step": "s", "row_id": row_id, "reason": "r", "detail": ""} for row_id in refused]
    tables = {"intervals": intervals, "rejects": rejects}
    held: Counter[str] = Counter()
    for name, table in tables.items():
        records.write_table(folder / f"{name}.parquet", table, records.SCHEMAS[name])
    assert shuffle.count(folder / "intervals.parquet", records.INTERVAL, (), held) == len(takes) == held.total()
    lots = shuffle.plan(held, rows=rows)
    for name, table in tables.items():
        schema, path = records.SCHEMAS[name], folder / f"{name}.parquet"
        with mock.patch.object(shuffle, "ROWS", at_once):
            shuffle.write(path, schema, lots, folder / name, sources=())
        for lot in lots.to_pylist():
            taken = {row.get("take_id", row.get("row_id", "").split("/")[0]): row for row in table}
            mine = [take for take in taken if lot["first"] <= take <= lot["last"]]
            of_lot = [row for row in table if row.get("take_id", row.get("row_id", "").split("/")[0]) in mine]
            assert shuffle.read(folder / name, schema, lot["lot"]).to_pylist() == of_lot
            if lots.num_rows == 1:
                assert shuffle.read_whole(path, schema, lots, sources=()).to_pylist() == of_lot


def test_a_caption_belongs_to_the_take_of_its_medium_and_other_sources_are_not_read(tmp_path):
    caption = annotation_tables()["captions"][0] | {"caption_id": "c", "source": "ssv2", "path": "1.webm"}
    others = [caption | {"source": "webvid"}, caption | {"path": "2.webm"}]
    path = tmp_path / "captions.parquet"
    records.write_table(path, [others[0], caption, others[1]], records.CAPTION)
    held: Counter[str] = Counter()
    assert shuffle.count(path, records.CAPTION, ("ssv2",), held) == 2
    takes = [records.content_id("medium", "ssv2", name) for name in ("1.webm", "2.webm")]
    assert held == Counter(takes)
    lots = shuffle.plan(held, rows=1)
    shuffle.write(path, records.CAPTION, lots, tmp_path / "runs", sources=("ssv2",))
    for lot, take in enumerate(sorted(takes)):
        (row,) = shuffle.read(tmp_path / "runs", records.CAPTION, lot).to_pylist()
        assert records.content_id("medium", row["source"], row["path"]) == take


def test_a_half_written_folder_is_written_again_and_a_whole_one_stays(tmp_path):
    path, lots = tmp_path / "intervals.parquet", pa.table({"lot": [0], "first": ["take0"], "last": ["take9"]})
    records.write_table(path, [interval(1, 0)], records.INTERVAL)
    (tmp_path / "runs.partial").mkdir()
    (tmp_path / "runs.partial/00007.arrow").write_bytes(b"torn")
    shuffle.write(path, records.INTERVAL, lots, tmp_path / "runs", sources=())
    assert [run.name for run in (tmp_path / "runs").iterdir()] == ["00000.arrow"]
    pq.write_table(pa.table({"other": [1]}), path)
    shuffle.write(path, records.INTERVAL, lots, tmp_path / "runs", sources=())
    assert shuffle.read(tmp_path / "runs", records.INTERVAL, 0).num_rows == 1
    with pytest.raises(ValueError, match="columns are"):
        shuffle.write(path, records.INTERVAL, lots, tmp_path / "other", sources=())
