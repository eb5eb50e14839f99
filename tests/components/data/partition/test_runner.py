import os
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from components import records
from components.data import sample_table
from components.data.partition import runner
from tests.conftest import PROJECT


def make(parameters, tables):
    """One sample for each clip of at least a second, and a reject for each other."""
    clips = tables["clips/clips"].to_pandas()
    if parameters.get("die_at") in set(clips["take_id"]):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    if parameters.get("fail_at") in set(clips["take_id"]):
        raise ValueError("this take is cursed")
    if "log" in parameters:
        with open(parameters["log"], "a") as file:
            file.write(",".join(sorted(set(clips["take_id"]))) + "\n")
    long = clips["end_s"] - clips["start_s"] >= 1
    known = set(tables["annotations/rejects"]["row_id"].to_pandas().str.split("/").str[0])
    made = clips[long].assign(
        corpus="egore", task="caption", question_type="narration", frame_kind="clip", question="what?",
        answer=[f"{take} {'lost' if take in known else 'whole'}" for take in clips[long]["take_id"]],
        kind="text", parent=clips[long]["clip_id"],
    )  # fmt: skip
    dropped = sample_table.dropped(clips[~long], "short", row_id="clip_id", detail="text")
    row_counts = [("clips", len(clips), len(made), len(dropped))]
    return sample_table.table(made.assign(text=made["answer"])), sample_table.rejects("egore", [dropped]), row_counts


STEP = runner.Step("egore", ("clips/clips", "annotations/rejects"), make)


@pytest.fixture
def data_dir(tmp_path):
    """Seven takes of one to seven clips; every third clip is short, and take 3 lost an annotation."""
    clips = [
        {"clip_id": f"{take}-{n}", "moment_id": "m", "narration_id": "n", "source": "s", "take_id": f"take{take}",
         "video_id": "v", "view": "ego", "start_s": float(n), "end_s": n + (0.5 if n % 3 == 2 else 1.5),
         "text": "said", "split": "train"}
        for take in range(1, 8) for n in range(take)
    ]  # fmt: skip
    clips.sort(key=lambda row: row["clip_id"][::-1])  # the takes are mixed up
    records.write_table(tmp_path / "clips/clips.parquet", clips, records.CLIP)
    lost = [{"step": "annotations/x", "row_id": "take3/4", "reason": "r", "detail": ""}]
    records.write_table(tmp_path / "annotations/rejects.parquet", lost, records.REJECT)
    return tmp_path


def made_in(data_dir):
    return {name: pq.read_table(data_dir / f"egore/{name}.parquet") for name in STEP.outputs}


def by_id(table):
    return table.sort_by(table.schema.names[0] if "sample_id" in table.schema.names else "row_id")


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_partitions_give_what_one_partition_gives(data_dir, rows):
    paths = {table: data_dir / f"{table}.parquet" for table in STEP.inputs}
    whole = make({}, {table: pq.read_table(path) for table, path in paths.items()})
    row_counts, summaries = runner.run(STEP, {}, data_dir, rows=rows)
    assert summaries == [] and row_counts == [("clips/clips, rows to partitions", 28, 28, 0), *whole[2]]
    assert whole[2] == [("clips", 28, 21, 7)]
    for name, table in zip(STEP.outputs, whole, strict=False):
        assert by_id(made_in(data_dir)[name]).equals(by_id(table))
    assert not (data_dir / "partitions/egore").exists()


def test_no_rows_give_empty_tables(data_dir):
    records.write_table(data_dir / "clips/clips.parquet", [], records.CLIP)
    assert runner.run(STEP, {}, data_dir) == ([("clips/clips, rows to partitions", 0, 0, 0)], [])
    assert {name: table.num_rows for name, table in made_in(data_dir).items()} == {"samples": 0, "rejects": 0}


def test_a_failed_partition_says_which_and_keeps_the_others(data_dir, tmp_path):
    log = tmp_path / "log"
    with pytest.raises(ValueError, match="takes take5 to take5: ValueError: this take is cursed"):
        runner.run(STEP, {"fail_at": "take5"}, data_dir, rows=5)
    assert len(list((data_dir / "partitions/egore").glob("*/*.json"))) == 4  # all others
    assert runner.run(STEP, {"log": str(log)}, data_dir, rows=5)  # other parameters: nothing of before is taken
    assert log.read_text().count("\n") == 5


KILLED = """
import sys
from pathlib import Path
from components.data.partition import runner
from tests.components.data.partition import test_runner

runner.run(test_runner.STEP, {"log": sys.argv[2], "die_at": sys.argv[3]}, Path(sys.argv[1]), rows=5)
"""


def test_killed_the_rerun_makes_only_the_rest_and_the_same_bytes(data_dir, tmp_path, monkeypatch):
    log = tmp_path / "log"
    command = [sys.executable, "-c", KILLED, data_dir, log, "take5"]
    assert subprocess.run(command, cwd=PROJECT, start_new_session=True).returncode == -signal.SIGKILL
    assert log.read_text().split() == ["take1,take2", "take3,take4"]
    log.write_text("")
    # the cause is gone, and nothing else changed
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    runner.run(STEP, {"log": str(log), "die_at": "take5"}, data_dir, rows=5)
    assert log.read_text().split() == ["take5", "take6", "take7"]
    resumed = {name: (data_dir / f"egore/{name}.parquet").read_bytes() for name in STEP.outputs}
    runner.run(STEP, {}, data_dir, rows=5)
    assert resumed == {name: (data_dir / f"egore/{name}.parquet").read_bytes() for name in STEP.outputs}
