"""The step `quality` on questions about scripted takes: what is sound passes, what is planted fails by name."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import params, records
from components.data import __main__ as command
from components.data import sample_table
from components.data.egore import grounding
from components.data.egore.rule_based.long_term import long_term
from components.data.egore.temporal_windows import WindowRules
from components.data.quality import batches, contamination, oracle
from components.data.quality import step as measure
from components.prompts import kitchen_grammar
from components.world.__main__ import MARK
from components.world.plan import plan_takes
from tests.components.data.conftest import changed

TAKES = 60
LISTS = (contamination.HELD_OUT, *contamination.known_lists())
BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"


@pytest.fixture(scope="module")
def few(data_params) -> params.Data:
    return changed(data_params, "world", takes=TAKES)


@pytest.fixture(scope="module")
def tables(few) -> dict[str, pa.Table]:
    """Videos, and long and temporal questions, of the takes that the parameters script."""
    world, egore = few.world, few.egore
    shares = {"val_fraction": world.val_fraction, "test_fraction": world.test_fraction}
    videos, intervals = [], []
    for planned in plan_takes(few.seed, takes=TAKES, take_s=world.take_s, **shares):
        shared = {"source": "egoexo4d", "take_id": planned.uid, "video_id": f"v{planned.number}"}
        shared |= {"split": "train" if planned.split == "train" else "test"}
        camera = {"take_name": planned.name, "camera_id": "aria01", "view": "ego", "path": f"{planned.name}.mp4"}
        videos.append(shared | camera | {"duration_s": world.take_s, "fps": float(world.fps)})
        for number, event in enumerate(planned.take.events):
            span = {
                "start_s": event.start_s,
                "end_s": event.end_s,
                "text": kitchen_grammar.narrate(planned.take.facts(event)),
            }
            intervals.append(shared | span | {"interval_id": f"{planned.number}/{number}"})
    videos, intervals = pd.DataFrame(videos), pd.DataFrame(intervals)
    none = pd.DataFrame({"step": pd.Series(dtype=str), "row_id": pd.Series(dtype=str)})
    limits = {"min_s": egore.long_min_s, "max_s": egore.long_max_s, "per_window": 5, "choices": 4, "seed": few.seed}
    rules = WindowRules(max_s=16.0, per_event=1, n_frames=32, time_step_s=1.0, seed=few.seed)
    made = [
        long_term(intervals, videos, none, **limits)[0],
        grounding.temporal(intervals, videos, event_of=kitchen_grammar.event_of, rules=rules)[0],
    ]
    return {
        "annotations/videos": pa.Table.from_pandas(videos[records.VIDEO.names], records.VIDEO, preserve_index=False),
        "dataset/samples": pa.concat_tables([sample_table.table(frame) for frame in made]),
    }


@pytest.fixture
def data_dir(tmp_path, tables, few) -> Path:
    """A project folder whose sources the world wrote; gives its data folder."""
    for path, table in tables.items():
        records.write_table(tmp_path / f"data/{path}.parquet", table, table.schema)
    (tmp_path / few.sources.egoexo4d).mkdir(parents=True)
    (tmp_path / few.sources.egoexo4d / MARK).write_text("")
    return tmp_path / "data"


def spoil(data_dir: Path, change) -> None:
    path = data_dir / "dataset/samples.parquet"
    rows = pq.read_table(path).to_pylist()
    change(rows)
    records.write_table(path, rows, records.SAMPLE)


def of_type(data_dir: Path, kind: str) -> dict:
    return next(
        row for row in pq.read_table(data_dir / "quality/types.parquet").to_pylist() if row["question_type"] == kind
    )


def test_what_the_rules_ask_of_the_world_is_right_and_passes(data_dir, few):
    counts = command.run("quality", few, data_dir)
    assert counts["checked"] == counts["right"] == counts["samples"] > 400 and counts["types"] == 6
    assert counts["near_duplicates"] == 0 and counts["contaminated"] == dict.fromkeys(LISTS, 0)
    found = of_type(data_dir, "summary")
    assert (found["share_right"], found["chance"]) == (1.0, 0.25) and found["blind_asked"] > 5
    assert of_type(data_dir, "temporal")["chance"] is None


def test_the_table_is_the_same_to_the_byte_however_the_rows_are_cut(data_dir, few, monkeypatch):
    def mix(rows):
        rows += [row | {"sample_id": row["sample_id"] + "again"} for row in rows[::5]]
        rows.sort(key=lambda row: records.content_id(row["sample_id"]))
        next(row for row in rows if row["split"] == "test")["split"] = "train"

    spoil(data_dir, mix)
    monkeypatch.setattr(oracle, "MAX_ROWS", 10)  # some rows of every type are left out
    made = measure.run(few, data_dir)
    once = (data_dir / "quality/types.parquet").read_bytes()
    assert made["counts"]["near_duplicates"] > 50 and made["counts"]["contaminated"] == dict.fromkeys(LISTS, 0) | {
        "held-out takes": 1
    }
    assert made["counts"]["checked"] == 10 * made["counts"]["types"]
    monkeypatch.setattr(batches, "ROWS", 101)
    assert measure.run(few, data_dir) == made
    assert (data_dir / "quality/types.parquet").read_bytes() == once


def test_those_judged_are_of_the_first_takes_and_come_first_in_them(monkeypatch):
    monkeypatch.setattr(oracle, "MAX_ROWS", 3)
    rows = [("c", "x"), ("a", "x"), ("b", "x"), ("nobody", "x"), ("a", "x"), ("b", "x"), ("c", "y")]
    frame = pd.DataFrame(rows, columns=["take_id", "type"]).assign(row=range(len(rows)))
    for cut in range(len(rows) + 1):
        chosen = oracle.first_rows([frame[:cut], frame[cut:]], ["b", "a", "c"])
        assert chosen["row"].tolist() == [2, 5, 1, 6]


def test_wrong_answers_fail(data_dir, few):
    def lie(rows):
        for row in [row for row in rows if row["question_type"] == "sequence"][:3]:
            row["target"]["answer_index"] = (row["target"]["answer_index"] + 1) % len(row["target"]["choices"])
            row["answer"] = row["target"]["choices"][row["target"]["answer_index"]]

    spoil(data_dir, lie)
    with pytest.raises(ValueError, match=rf"quality\.types: {BETWEEN}\(share_right\) failed on 1 of 6.*sequence"):
        command.run("quality", few, data_dir)
    found = of_type(data_dir, "sequence")
    assert found["checked"] - found["right"] == 3


def test_wrong_spans_fail(data_dir, few):
    def shift(rows):
        for row in [row for row in rows if row["question_type"] == "temporal"][:20]:
            row["target"]["span"] = {"start_s": 0.0, "end_s": 16.0}

    spoil(data_dir, shift)
    with pytest.raises(ValueError, match=rf"{BETWEEN}\(share_right\) failed on 1 of 6.*temporal"):
        command.run("quality", few, data_dir)


def test_without_the_worlds_mark_nothing_is_checked_and_the_rest_is(data_dir, few):
    (data_dir.parent / few.sources.egoexo4d / MARK).unlink()
    assert command.run("quality", few, data_dir)["checked"] == 0
    found = of_type(data_dir, "sequence")
    assert found["share_right"] is None and found["blind_accuracy"] is not None


def test_samples_that_stand_twice_fail(data_dir, few):
    def repeat(rows):
        rows += [row | {"sample_id": row["sample_id"] + "again"} for row in rows if row["question_type"] == "temporal"]

    spoil(data_dir, repeat)
    with pytest.raises(ValueError, match=rf"{BETWEEN}\(duplicate_share\) failed on 1 of 6.*temporal"):
        command.run("quality", few, data_dir)


def test_one_answer_for_all_is_told_by_the_blind_guesser(data_dir, few):
    def same(rows):
        for row in (row for row in rows if row["question_type"] == "prediction"):
            row["target"] |= {"choices": ["a", "b", "c", "d"], "answer_index": 1}

    spoil(data_dir, same)
    (data_dir.parent / few.sources.egoexo4d / MARK).unlink()
    with pytest.raises(ValueError, match=rf"{BETWEEN}\(blind_lift_over_limit\) failed on 1 of 6") as error:
        command.run("quality", few, data_dir)
    assert f"{BETWEEN}(position_sigma) failed on 1 of 6" in str(error.value)


def test_a_trained_take_of_a_benchmark_fails(data_dir, few, tables):
    sample = next(row for row in tables["dataset/samples"].to_pylist() if row["split"] == "train")
    (data_dir.parent / "egoschema.txt").write_text(f"nothing-known\n{sample['take_id']}\n")
    listed = changed(few, "quality", benchmarks={"egoschema": Path("egoschema.txt")})
    with pytest.raises(ValueError, match=rf"{IN_SET}\(contaminated\) failed on"):
        command.run("quality", listed, data_dir)
    made = measure.run(listed, data_dir)["counts"]["contaminated"]
    of_take = [row for row in tables["dataset/samples"].to_pylist() if row["take_id"] == sample["take_id"]]
    assert made == dict.fromkeys(LISTS, 0) | {"egoschema": len(of_take)}


def test_a_held_out_take_that_is_trained_on_fails(data_dir, few):
    def leak(rows):
        next(row for row in rows if row["split"] == "test")["split"] = "train"

    spoil(data_dir, leak)
    with pytest.raises(ValueError, match=rf"{IN_SET}\(contaminated\) failed on 1 of 6"):
        command.run("quality", few, data_dir)


def test_a_missing_list_ends_the_step_before_any_table(data_dir, few):
    listed = changed(few, "quality", benchmarks={"egoschema": Path("nowhere.txt")})
    with pytest.raises(ValueError, match=r"quality\.benchmarks\.egoschema.*nowhere\.txt"):
        command.run("quality", listed, data_dir)
    assert not (data_dir / "quality").exists()
