"""Reading goes on source by source: what a stopped run read whole is kept, and read again where something changed."""

import os
import shutil

import pyarrow.parquet as pq
import pytest

from components import params
from components.data import annotations, source_parts

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


def test_a_repeated_row_is_named_as_in_its_source(tmp_path):
    rows = [f"{n},u,PT1S,p,{text}" for n, text in ((7, "a cat"), (8, "a dog"))]
    for name in ("results_10M_train.csv", "results_2M_train.csv"):
        (tmp_path / name).write_text("\n".join(["videoid,contentUrl,duration,page_dir,name", *rows]) + "\n")
    source_parts.write(tmp_path / "part", "webvid", annotations.SOURCES["webvid"](tmp_path), digest="x")
    refused = pq.read_table(tmp_path / "part/rejects.parquet").to_pylist()
    assert [(row["reason"], row["row_id"], row["detail"].split(":")[0]) for row in refused] == [
        ("repeated_id", "7", "line 2"),
        ("repeated_id", "8", "line 3"),
    ]


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


def test_a_change_of_an_image_folder_and_behind_a_link_is_seen_and_a_round_of_links_ends(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "frames").mkdir(parents=True)
    elsewhere.mkdir()
    (root / "frames/1.jpg").touch()
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root)
    (root / "gone.csv").symlink_to(tmp_path / "nowhere")
    seen = {source_parts.digest_of("epic100", root, ())}
    for path in (root / "frames/2.jpg", elsewhere / "said.csv"):
        path.touch()
        os.utime(path.parent, ns=(len(seen), len(seen)))  # two changes may fall into one tick of the clock
        seen.add(source_parts.digest_of("epic100", root, ()))
    assert len(seen) == 3
    assert source_parts.digest_of("epic100", root, ()) in seen
