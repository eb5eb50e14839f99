import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest

from components import records
from components.data import annotations


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
    assert [source for source, *_ in result["ledger"]] == ["egoexo4d", "visor", "egoexolearn"]
    assert all(rows_in == kept + rejected for _, rows_in, kept, rejected in result["ledger"])


def test_each_take_is_in_one_split_and_each_id_stands_once(made):
    _, folder = made
    splits = Counter()
    for name in ("videos", "narrations", "boxes", "intervals"):
        table = pq.read_table(folder / f"{name}.parquet")
        ids = table[annotations.IDS[name]].to_pylist()
        assert len(set(ids)) == len(ids)
        splits.update(set(zip(table["take_id"].to_pylist(), table["split"].to_pylist(), strict=True)))
    assert len({take for take, _ in splits}) == len(splits)


def test_two_runs_write_the_same_bytes(made, tiny_world, tmp_path):
    _, folder = made
    annotations.run(tiny_world.params, tmp_path / "data")
    for path in folder.glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "data/annotations" / path.name).read_bytes()


def test_a_broken_film_and_a_repeated_row_are_rejected_with_a_reason(tiny_world, tmp_path):
    sources = tiny_world.params.sources
    for name, path in sources.given().items():
        shutil.copytree(path, tmp_path / "raw" / name)
    film = next((tmp_path / "raw/egoexo4d/takes").rglob("cam01.mp4"))
    film.write_bytes(film.read_bytes()[:2000])
    table = next((tmp_path / "raw/egoexolearn").rglob("*.csv"))
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[1]]))
    # relative paths are read from the folder that holds the data folder
    moved = sources.model_copy(
        update={name: (tmp_path / "raw" / name).relative_to(tmp_path) for name in sources.given()}
    )
    result = annotations.run(tiny_world.params.model_copy(update={"sources": moved}), tmp_path / "data")
    assert result["counts"]["reasons"]["egoexolearn/repeated_id"] == 1
    rejects = pq.read_table(tmp_path / "data/annotations/rejects.parquet").to_pylist()
    assert any(row["reason"] == "unreadable_video" and str(film) in row["detail"] for row in rejects)
