"""Large tables are checked some rows at a time, as strictly as whole ones, and in little memory."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import records
from components.data.contracts import large_tables, validate
from components.data.contracts.rules import Contract
from components.data.contracts.tables import OUTPUTS, contracts, may_repeat
from components.data.seen_ids import seen_before
from tests.components.data.conftest import annotation_tables, read, write_annotations

CAPTION = {"source": "ssv2", "media": "video", "start_s": None, "end_s": None, "view": "ego", "split": "train"}


def captions(count: int) -> list[dict]:
    return [CAPTION | {"caption_id": f"{n:016x}", "path": f"{n}.webm", "text": f"cuts {n}"} for n in range(count)]


def complaint(tmp_path, rows: list[dict], table="captions") -> str:
    tables = annotation_tables() | {table: rows}
    data_dir = write_annotations(tmp_path / "data", tables)
    with pytest.raises(ValueError, match="expectations failed") as error:
        validate.check("annotations", large_tables.load("annotations", data_dir), docs_dir=tmp_path / "gx")
    return str(error.value)


def test_a_fault_names_its_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 10)
    rows = captions(35)
    rows[23]["text"] = " "
    rows[33]["view"] = "above"  # not judged: the batch before has failed
    said = complaint(tmp_path, rows)
    assert "annotations.captions rows 20 to 29: expect_column_values_to_be_in_set(the text says something)" in said
    assert f"{23:016x}" in said and "1 expectations failed" in said


def test_an_id_in_two_batches_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 10)
    rows = captions(25)
    rows[21]["caption_id"] = rows[2]["caption_id"]
    said = complaint(tmp_path, rows)
    assert f"annotations.captions rows 20 to 24: expect_column_values_to_be_in_set({large_tables.NEW_ID})" in said


def test_a_take_in_two_splits_is_found_over_all_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 2)
    said = annotation_tables()["point_narrations"][0]
    rows = [said | {"narration_id": f"p{n}", "take_id": f"v{n % 4}"} for n in range(8)]
    rows[7]["split"] = "test"
    assert "annotations.point_narrations_splits: expect_column_values_to_be_between(splits)" in complaint(
        tmp_path, rows, "point_narrations"
    )


def of_table(name: str, made: Iterable[tuple[str, str, Contract]]) -> list[tuple[str, pd.DataFrame]]:
    """Which rows, and the frame of each batch of a table, but for those of its values."""
    return [(rows, contract.frame) for of, rows, contract in made if of == name]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 30])
@pytest.mark.parametrize("row_group_size", [3, 1000])
def test_every_row_is_in_one_batch_whether_from_a_file_or_from_memory(tmp_path, monkeypatch, count, row_group_size):
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 10)
    table = pa.Table.from_pylist(captions(count), records.CAPTION)
    path = tmp_path / "captions.parquet"
    pq.write_table(table, path, row_group_size=row_group_size)
    for given_as in (table, path):
        made = of_table("captions", large_tables.in_batches("captions", given_as))
        ids = [row for _, frame in made for row in frame["caption_id"]]
        assert ids == table["caption_id"].to_pylist()
        assert ([rows for rows, _ in made] == [""]) == (count <= 10)
        assert large_tables.without_rows(given_as).schema.equals(records.CAPTION)


def judged_in_batches(step: str, data_dir) -> dict[str, pd.DataFrame]:
    """The frames that are judged, batches joined."""
    tables = large_tables.load(step, data_dir)
    assert all(isinstance(tables[f"{step}/{name}"], Path) for name in OUTPUTS[step])
    known = large_tables.lookup(step, tables)
    made = {name: contract.frame for name, contract in large_tables.across_tables(step, tables).items()}
    for name in OUTPUTS[step]:
        parts = large_tables.in_batches(name, tables[f"{step}/{name}"], known, repeats=may_repeat(step, name))
        made[name] = pd.concat([frame for _, frame in of_table(name, parts)], ignore_index=True)
    return made


def test_what_partitions_made_is_judged_in_batches_as_it_is_whole(built, monkeypatch):
    steps = [step for step in large_tables.PARTITIONED_STEPS if step != "pretraining"]  # finds nothing here
    whole = {step: contracts(step, large_tables.load(step, built)) for step in steps}
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 70)
    for step, judged in whole.items():
        frames = judged_in_batches(step, built)
        assert frames.keys() == judged.keys()
        assert step == "egore" or len(frames[OUTPUTS[step][0]]) > 140
        for name, frame in frames.items():
            fresh = frame.pop(large_tables.NEW_ID) if large_tables.NEW_ID in frame else pd.Series(True)
            pd.testing.assert_frame_equal(frame, judged[name].frame, check_dtype=False)
            assert fresh.all()


def test_a_name_of_nothing_is_found_in_its_batch(built, monkeypatch, tmp_path):
    monkeypatch.setattr(large_tables, "BATCH_ROWS", 70)
    rows = read(built, "egoit/samples")
    rows[80]["parents"] = ["nobody"]
    rows[150]["media"][0]["video_id"] = "no film"
    records.write_table(built / "egoit/samples.parquet", rows, records.SAMPLE)
    frame = judged_in_batches("egoit", built)["samples"]
    assert frame.index[~frame["every parent is known"]].tolist() == [80]
    assert frame.index[~frame["media: the video is known"]].tolist() == [150]
    rows = read(built, "clips/clips")
    rows[99]["narration_id"] = "nobody"
    rows[200]["split"] = "test" if rows[200]["split"] == "train" else "train"
    records.write_table(built / "clips/clips.parquet", rows, records.CLIP)
    with pytest.raises(ValueError, match="expectations failed") as error:
        validate.check("clips", large_tables.load("clips", built), docs_dir=tmp_path / "gx")
    assert "clips.clips rows 70 to 139: expect_column_values_to_be_in_set(the narration is known)" in str(error.value)
    assert "clips.splits: expect_column_values_to_be_between(splits)" in str(error.value)


@given(parts=st.lists(st.lists(st.integers(0, 40), unique=True, max_size=12), max_size=12))
def test_a_key_is_seen_once_it_was_there(parts):
    seen, before = [], set()
    for part in parts:
        known = seen_before(np.array(part, dtype=np.uint64), seen)
        assert known.tolist() == [key in before for key in part]
        before |= set(part)
    assert sorted(key for array in seen for key in array) == sorted(before)


JUDGE = """
import json, sys, time
from pathlib import Path
from components.data.contracts import large_tables, validate
folder = Path(sys.argv[1])
tables = large_tables.load("annotations", folder / "data")
validate.check("annotations", tables, docs_dir=folder / "gx")
# VmHWM is of this process alone: ru_maxrss begins with that of the one that started it
peak_kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"mib": int(peak_kib) / 1024, "cpu_s": time.process_time()}))
"""


def judged(folder, count: int) -> dict:
    """Peak memory and CPU time of a process that judges so many captions."""
    data_dir = write_annotations(folder / "data", annotation_tables())
    with pq.ParquetWriter(data_dir / "annotations/captions.parquet", records.CAPTION, compression="zstd") as writer:
        for first in range(0, count, 200_000):
            n = np.arange(first, first + 200_000)
            columns = {name: pa.repeat(pa.scalar(CAPTION[name], kind), len(n)) for name, kind in
                       ((field.name, field.type) for field in records.CAPTION) if name in CAPTION}  # fmt: skip
            ids, said = pa.array([f"{one:016x}" for one in n]), pa.array([f"picks up the red cup {one}" for one in n])
            columns |= {"caption_id": ids, "path": pa.array([f"{one}.webm" for one in n]), "text": said}
            writer.write_table(pa.table(columns).select(records.CAPTION.names).cast(records.CAPTION))
    done = subprocess.run([sys.executable, "-c", JUDGE, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_memory_does_not_grow_with_the_table(tmp_path):
    few, many = (judged(tmp_path / str(count), count) for count in (200_000, 1_600_000))
    # 8 bytes an id, and what the allocators keep
    assert many["mib"] < few["mib"] + 150, (few, many)
