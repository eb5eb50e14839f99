"""Rows come to the partition of their take, each once and in the order of the table."""

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
    rows_of_take = Counter({f"take{take}": take for take in range(1, 8)})
    assert shuffle.partition_takes(rows_of_take, rows=6).to_pylist() == [
        {"partition": 0, "first_take": "take1", "last_take": "take3"},
        {"partition": 1, "first_take": "take4", "last_take": "take4"},
        {"partition": 2, "first_take": "take5", "last_take": "take5"},
        {"partition": 3, "first_take": "take6", "last_take": "take6"},
        {"partition": 4, "first_take": "take7", "last_take": "take7"},
    ]
    assert shuffle.partition_takes(Counter(), rows=6).num_rows == 0


@settings(deadline=None, max_examples=25)
@given(takes=st.lists(st.integers(0, 11), min_size=1, max_size=60), refused=REJECTS, rows=st.integers(1, 30))
@pytest.mark.parametrize("at_once", [7, 1000])
def test_every_row_is_in_the_partition_of_its_take(tmp_path_factory, at_once, takes, refused, rows):
    folder = tmp_path_factory.mktemp("shuffle")
    intervals = [interval(take, number) for number, take in enumerate(takes)]
    rejects = [{"step": "s", "row_id": row_id, "reason": "r", "detail": ""} for row_id in refused]
    tables = {"intervals": intervals, "rejects": rejects}
    rows_of_take: Counter[str] = Counter()
    for name, table in tables.items():
        records.write_table(folder / f"{name}.parquet", table, records.SCHEMAS[name])
    assert (
        shuffle.count_rows(folder / "intervals.parquet", records.INTERVAL, (), rows_of_take)
        == len(takes)
        == rows_of_take.total()
    )
    cuts = shuffle.partition_takes(rows_of_take, rows=rows)
    for name, table in tables.items():
        schema, path = records.SCHEMAS[name], folder / f"{name}.parquet"
        with mock.patch.object(shuffle, "RUN_ROWS", at_once):
            shuffle.write_runs(path, schema, cuts, folder / name, sources=())
        for cut in cuts.to_pylist():
            taken = {row.get("take_id", row.get("row_id", "").split("/")[0]): row for row in table}
            mine = [take for take in taken if cut["first_take"] <= take <= cut["last_take"]]
            of_partition = [row for row in table if row.get("take_id", row.get("row_id", "").split("/")[0]) in mine]
            assert shuffle.read_partition(folder / name, schema, cut["partition"]).to_pylist() == of_partition
            if cuts.num_rows == 1:
                assert shuffle.read_single(path, schema, cuts, sources=()).to_pylist() == of_partition


def test_a_caption_belongs_to_the_take_of_its_medium_and_other_sources_are_not_read(tmp_path):
    caption = annotation_tables()["captions"][0] | {"caption_id": "c", "source": "ssv2", "path": "1.webm"}
    others = [caption | {"source": "webvid"}, caption | {"path": "2.webm"}]
    path = tmp_path / "captions.parquet"
    records.write_table(path, [others[0], caption, others[1]], records.CAPTION)
    rows_of_take: Counter[str] = Counter()
    assert shuffle.count_rows(path, records.CAPTION, ("ssv2",), rows_of_take) == 2
    takes = [records.content_id("medium", "ssv2", name) for name in ("1.webm", "2.webm")]
    assert rows_of_take == Counter(takes)
    cuts = shuffle.partition_takes(rows_of_take, rows=1)
    shuffle.write_runs(path, records.CAPTION, cuts, tmp_path / "runs", sources=("ssv2",))
    for number, take in enumerate(sorted(takes)):
        (row,) = shuffle.read_partition(tmp_path / "runs", records.CAPTION, number).to_pylist()
        assert records.content_id("medium", row["source"], row["path"]) == take


def test_a_half_written_folder_is_written_again_and_a_whole_one_stays(tmp_path):
    path, cuts = (
        tmp_path / "intervals.parquet",
        pa.table({"partition": [0], "first_take": ["take0"], "last_take": ["take9"]}),
    )
    records.write_table(path, [interval(1, 0)], records.INTERVAL)
    (tmp_path / "runs.partial").mkdir()
    (tmp_path / "runs.partial/00007.arrow").write_bytes(b"torn")
    shuffle.write_runs(path, records.INTERVAL, cuts, tmp_path / "runs", sources=())
    assert [run.name for run in (tmp_path / "runs").iterdir()] == ["00000.arrow"]
    pq.write_table(pa.table({"other": [1]}), path)
    shuffle.write_runs(path, records.INTERVAL, cuts, tmp_path / "runs", sources=())
    assert shuffle.read_partition(tmp_path / "runs", records.INTERVAL, 0).num_rows == 1
    with pytest.raises(ValueError, match="columns are"):
        shuffle.write_runs(path, records.INTERVAL, cuts, tmp_path / "other", sources=())
