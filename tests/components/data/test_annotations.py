import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import params, records
from components.data import annotations, source_parts
from components.data.contracts import validate
from components.data.contracts.tables import OUTPUTS
from components.data.sources.shared import json_fields, json_stream
from tests.components.data.sources import written

TAKES, CORPORA = ("videos", "narrations", "boxes", "intervals"), ("captions", "questions", "point_narrations")


@pytest.fixture(scope="module")
def made(tiny_world, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("annotations") / "data"
    return annotations.run(tiny_world.params, data_dir), data_dir / "annotations"


def test_the_tables_have_their_schemas_and_the_counts_told(made):
    result, folder = made
    for name in ("videos", "narrations", "boxes", "intervals", "rejects"):
        table = records.read_table(folder / f"{name}.parquet", records.SCHEMAS[name])
        assert table.num_rows == result["counts"][name] > 0
    assert sum(result["counts"]["reasons"].values()) == result["counts"]["rejects"]


def test_no_row_is_lost(made):
    result, _ = made
    takes, corpora = ["egoexo4d", "visor", "egoexolearn"], ["egtea", "ssv2", "egotimeqa", "openeqa"]
    assert [source for source, *_ in result["row_counts"]] == [*takes, *corpora, "htm_aa", "interlink7m"]
    assert all(rows_in == kept + rejected for _, rows_in, kept, rejected in result["row_counts"])


def test_each_take_is_in_one_split_and_each_id_stands_once(made):
    _, folder = made
    splits = Counter()
    for name in TAKES:
        table = pq.read_table(folder / f"{name}.parquet")
        ids = table[annotations.IDS[name]].to_pylist()
        assert len(set(ids)) == len(ids)
        splits.update(set(zip(table["take_id"].to_pylist(), table["split"].to_pylist(), strict=True)))
    assert len({take for take, _ in splits}) == len(splits)


def test_videos_of_which_nothing_is_said_stop_their_source(tmp_path):
    part = tmp_path / "epic100"
    rows = pd.DataFrame([dict.fromkeys(records.VIDEO.names, "0" * 16) | {"duration_s": 3.0, "fps": 50.0}])
    refused = pd.DataFrame([dict.fromkeys(records.REJECT.names, "empty_text")] * 2)
    source_parts.write(part, "epic100", [({"videos": rows}, refused)], digest="a")
    message = (
        r"epic100 in /mine has videos, but none of EPIC_100_\{train,validation\}.csv .*empty_text 2.*sources.epic100"
    )
    with pytest.raises(ValueError, match=message):
        annotations._require_said("epic100", Path("/mine"), part)
    annotations._require_said("webvid", Path("/mine"), part)


def test_two_runs_write_the_same_bytes(made, tiny_world, tmp_path):
    _, folder = made
    annotations.run(tiny_world.params, tmp_path / "data")
    for path in folder.glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "data/annotations" / path.name).read_bytes()


def moved(tiny_world, folder) -> params.Data:
    """Copy the sources below `folder`, to spoil them."""
    sources = tiny_world.params.sources
    for name, path in sources.given().items():
        shutil.copytree(path, folder / "raw" / name)
    # relative paths are read from the folder that holds the data folder
    update = {name: Path("raw") / name for name in sources.given()}
    return tiny_world.params.model_copy(update={"sources": sources.model_copy(update=update)})


def say_twice(folder) -> None:
    """Give the first row of each source of takes once more, as the last one."""
    table = next((folder / "raw/egoexolearn").rglob("*.csv"))
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[1]]))
    masks = sorted((folder / "raw/visor").rglob("*.json"))
    twice(masks[0], lambda content: content["video_annotations"][0]["annotations"])
    twice(folder / "raw/egoexo4d/takes.json", lambda content: content)
    said = folder / "raw/egoexo4d/annotations/atomic_descriptions_train.json"
    twice(said, lambda content: next(iter(content["annotations"].values())))


def twice(path, rows_of) -> None:
    content = json.loads(path.read_text())
    rows = rows_of(content)
    rows.append(rows[0])
    path.write_text(json.dumps(content))


def test_a_broken_film_and_a_repeated_row_are_rejected_with_a_reason(tiny_world, tmp_path):
    parameters = moved(tiny_world, tmp_path)
    film = next((tmp_path / "raw/egoexo4d/takes").rglob("cam01.mp4"))
    film.write_bytes(film.read_bytes()[:2000])
    say_twice(tmp_path)
    result = annotations.run(parameters, tmp_path / "data")
    assert result["counts"]["reasons"]["egoexolearn/repeated_id"] == 1
    rejects = pq.read_table(tmp_path / "data/annotations/rejects.parquet").to_pylist()
    (detail,) = (row["detail"] for row in rejects if row["reason"] == "unreadable_video")
    assert detail.startswith(f"{film.relative_to(tmp_path / 'raw/egoexo4d')}: ")


def test_small_batches_give_the_tables_of_large_ones(made, tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(json_fields, "BATCH_ROWS", 3)
    monkeypatch.setattr(json_stream, "_CHUNK", 100)
    result = annotations.run(tiny_world.params, tmp_path / "data")
    assert result == made[0]
    for path in made[1].glob("*.parquet"):
        small = pq.ParquetFile(tmp_path / "data/annotations" / path.name)
        assert small.read().equals(pq.read_table(path))
        assert path.stem in (*CORPORA, "rejects") or small.num_row_groups > small.metadata.num_rows / 5 > 3


def test_a_row_that_stands_twice_is_found_whatever_the_batches(tiny_world, tmp_path, monkeypatch):
    parameters = moved(tiny_world, tmp_path)
    say_twice(tmp_path)
    results, tables = [], []
    for rows in (20_000, 3):
        monkeypatch.setattr(json_fields, "BATCH_ROWS", rows)
        results.append(annotations.run(parameters, tmp_path / "data"))
        paths = sorted((tmp_path / "data/annotations").glob("*.parquet"))
        tables.append({path.stem: pq.read_table(path).to_pylist() for path in paths})
        # a batch tells its repeated rows last
        tables[-1]["rejects"].sort(key=lambda row: tuple(row.values()))
    assert results[0] == results[1] and tables[0] == tables[1]
    repeated = Counter(row["step"] for row in tables[0]["rejects"] if row["reason"] == "repeated_id")
    assert set(repeated) == {f"annotations/{source}" for source in ("egoexo4d", "visor", "egoexolearn")}
    assert all(rows_in == kept + rejected for _, rows_in, kept, rejected in results[1]["row_counts"])


QUESTION = {"question": "Where?", "answer": "there", "category": "c", "question_id": "a", "episode_history": "e/1"}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Three corpora, each with a row that is refused; the second file of WebVid says one of the first again."""
    root = tmp_path_factory.mktemp("corpora")
    lines = ["videoid,page_dir,name", "1,a,a dog", "2,a,a cat", "3,a, "]
    written.lines(root / "webvid/results_2M_train.csv", lines)
    written.lines(root / "webvid/results_10M_train.csv", [lines[0], "2,a,a cat again", "4,a,a cow"])
    written.as_json(root / "openeqa/data/open-eqa-v0.json", [QUESTION, QUESTION | {"question_id": "b", "answer": ""}])
    written.lines(root / "htm_aa/htm_aa_v1.csv", ["vid,timestamp,text", "u,3,mix it", "u,-3,mix it"])
    return {name: root / name for name in ("webvid", "openeqa", "htm_aa")}


@pytest.fixture(scope="module")
def with_corpora(tiny_world, corpora, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("with_corpora") / "data"
    own = dict.fromkeys(("egtea", "ssv2", "egotimeqa", "interlink7m"))  # those that the world has too
    sources = tiny_world.params.sources.model_copy(update=own | corpora)
    return annotations.run(tiny_world.params.model_copy(update={"sources": sources}), data_dir), data_dir


def test_corpora_are_added_and_each_row_is_accounted_for(with_corpora, made):
    (result, data_dir), (without, folder) = with_corpora, made
    assert result["row_counts"] == [
        *without["row_counts"][:3],
        ("openeqa", 2, 1, 1),
        ("htm_aa", 2, 1, 1),
        ("webvid", 5, 3, 2),
    ]
    added = Counter(result["counts"]["reasons"]) - Counter(without["counts"]["reasons"])
    assert added == {
        "openeqa/empty_text": 1,
        "htm_aa/negative_time": 1,
        "webvid/empty_text": 1,
        "webvid/repeated_id": 1,
    }
    tables = {name: pq.read_table(data_dir / f"annotations/{name}.parquet") for name in CORPORA}
    assert {name: len(table) for name, table in tables.items()} == {name: result["counts"][name] for name in CORPORA}
    assert tables["captions"]["text"].to_pylist() == ["a cat again", "a cow", "a dog"]
    assert tables["captions"]["end_s"].null_count == 3
    assert tables["questions"]["other_answers"].to_pylist() == [[]]
    said = tables["point_narrations"].to_pylist()
    assert [(row["source"], row["take_id"], row["ego_visible"]) for row in said] == [("htm_aa", "u", None)]
    for name in TAKES:
        assert (data_dir / f"annotations/{name}.parquet").read_bytes() == (folder / f"{name}.parquet").read_bytes()


@pytest.mark.slow
def test_what_the_corpora_give_passes_its_contracts(with_corpora, tmp_path):
    _, data_dir = with_corpora
    paths = [f"annotations/{name}" for name in OUTPUTS["annotations"]]
    validate.check(
        "annotations", {path: pq.read_table(data_dir / f"{path}.parquet") for path in paths}, docs_dir=tmp_path
    )


def test_a_missing_corpus_says_where_to_mend_it(tiny_world, tmp_path):
    sources = tiny_world.params.sources.model_copy(update={"cc3m": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="nowhere is no folder.*sources.cc3m in params/data.yaml"):
        annotations.run(tiny_world.params.model_copy(update={"sources": sources}), tmp_path / "data")


def test_a_graph_without_any_source_says_what_to_name(tiny_world, tmp_path):
    nothing = tiny_world.params.model_copy(update={"sources": params.Sources()})
    with pytest.raises(ValueError, match="sources of params/data.yaml names no dataset.*egoexo4d"):
        annotations.run(nothing, tmp_path / "data")


def test_every_corpus_can_be_named_in_the_parameters():
    assert set(annotations.SOURCES) == set(params.Sources.model_fields)
    assert set(annotations.NEEDS) <= set(annotations.SOURCES)


@settings(deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, 30), max_size=10), max_size=12))
def test_an_id_is_kept_once_in_and_over_all_batches(batches):
    seen, kept = [], []
    for batch in batches:
        frame = pd.DataFrame({"id": pd.Series([records.content_id(number) for number in batch], dtype="str")})
        fresh, repeated = source_parts._fresh(frame, "id", seen, "s")
        assert len(fresh) + len(repeated) == len(batch)
        kept += fresh["id"].tolist()
    assert kept == list(dict.fromkeys(records.content_id(number) for batch in batches for number in batch))
