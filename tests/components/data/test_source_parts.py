"""Reading goes on source by source: what a stopped run read whole is kept, and read again where something changed."""

import shutil

import pyarrow.parquet as pq
import pytest

from components import params
from components.data import annotations

SOURCES = ("egoexo4d", "visor", "egoexolearn", "openeqa")


@pytest.fixture
def sources(tiny_world, tmp_path) -> params.Data:
    """The parameters of a copy of four sources of the tiny world, two of which are joined to videos of the first."""
    given = tiny_world.params.sources.given()
    copies = {name: shutil.copytree(given[name], tmp_path / "raw" / name) for name in SOURCES}
    return tiny_world.params.model_copy(update={"sources": params.Sources(**copies)})


def tables(data_dir) -> dict[str, dict]:
    return {path.stem: pq.read_table(path).to_pydict() for path in sorted((data_dir / "annotations").glob("*.parquet"))}


@pytest.fixture
def read_by(monkeypatch) -> list[str]:
    """The sources whose adapters were started."""
    started: list[str] = []

    def counting(name: str):
        adapter = annotations.SOURCES[name]

        def read(root, **needs):
            started.append(name)
            return adapter(root, **needs)

        return read

    monkeypatch.setattr(annotations, "SOURCES", {name: counting(name) for name in annotations.SOURCES})
    return started


def stopped(data: params.Data, data_dir) -> None:
    """Run until the last source, whose file is broken."""
    file = data.sources.given()["openeqa"] / "data/open-eqa-v0.json"
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="broken"):
        annotations.run(data, data_dir)
    file.write_text(whole)


def test_sources_that_were_read_are_not_read_again(sources, tmp_path, read_by):
    stopped(sources, tmp_path / "data")
    assert read_by == list(SOURCES)
    read_by.clear()
    result = annotations.run(sources, tmp_path / "data")
    assert read_by == ["openeqa"]
    assert result == annotations.run(sources, tmp_path / "whole")
    assert tables(tmp_path / "data") == tables(tmp_path / "whole")
    assert not (tmp_path / "data/annotations/parts").exists()


def test_a_source_that_changed_is_read_again_with_what_is_joined_to_it(sources, tmp_path, read_by):
    stopped(sources, tmp_path / "data")
    csv = sources.sources.given()["egoexolearn"] / "annotations/fine_annotation_trainval_en.csv"
    csv.write_text(csv.read_text().replace("stirs", "shakes"))
    read_by.clear()
    annotations.run(sources, tmp_path / "data")
    assert read_by == ["egoexolearn", "openeqa"]
    stopped(sources, tmp_path / "data")
    next((sources.sources.given()["egoexo4d"] / "takes").rglob("cam01.mp4")).unlink()
    read_by.clear()
    annotations.run(sources, tmp_path / "data")
    assert read_by == list(SOURCES)
    assert tables(tmp_path / "data") != {} and annotations.run(sources, tmp_path / "whole")
    assert tables(tmp_path / "data") == tables(tmp_path / "whole")
