"""`python -m components.data check`: what is said of sources that are whole, and of such with mistakes."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from components import params
from components.data import __main__ as data_main
from components.data import check, graph_deps
from components.data.annotations import SOURCES

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def copied(tiny_world, tmp_path) -> params.Data:
    """The parameters of a copy of the tiny world, for breaking."""
    raw = shutil.copytree(tiny_world.root / "data/raw", tmp_path / "data/raw")
    given = {name: raw / path.name for name, path in tiny_world.params.sources.given().items()}
    return tiny_world.params.model_copy(update={"sources": params.Sources(**given)})


def found_of(data: params.Data, tmp_path) -> dict[str, check.Finding]:
    return {finding.source: finding for finding in check.findings(data, tmp_path)}


def test_a_whole_world_has_a_medium_of_every_corpus(tiny_world, tmp_path, capsys):
    found = found_of(tiny_world.params, tmp_path)
    assert list(found) == [name for name in SOURCES if name in tiny_world.params.sources.given()]
    assert not [finding for finding in found.values() if finding.problem]
    joined = {name for name, finding in found.items() if "joined to videos" in finding.rows}
    assert all(finding.medium for name, finding in found.items() if name not in joined)
    check.require(tiny_world.params, tmp_path)
    assert data_main.show_sources(tiny_world.params, tmp_path)
    assert "ssv2" in capsys.readouterr().out


def test_every_mistake_is_said_with_its_folder(copied, tmp_path, capsys):
    given = copied.sources.given()
    shutil.rmtree(given["visor"])
    shutil.rmtree(given["egoexo4d"] / "takes")
    (given["htm_aa"] / "htm_aa_v1.csv").write_text("vid,time,text\na,3,b\n")
    (given["openeqa"] / "data/frames").rename(given["openeqa"] / "frames")
    for file in (given["ssv2"] / "labels").iterdir():
        file.unlink()
    found = found_of(copied, tmp_path)
    problems = {name: finding.problem for name, finding in found.items() if finding.problem}
    assert set(problems) == {"visor", "egoexo4d", "htm_aa", "openeqa", "ssv2"}
    assert "no such folder" in problems["visor"] and found["visor"].folder.is_absolute()
    assert "file_missing" in problems["egoexo4d"] and "takes/" in problems["egoexo4d"]
    assert "missing" in problems["htm_aa"] and "timestamp" in problems["htm_aa"]
    assert "data/frames/hm3d-v0/" in problems["openeqa"] and problems["openeqa"].endswith("missing")
    assert "labels" in problems["ssv2"]
    with pytest.raises(ValueError, match=r"5 sources .* cannot be read") as error:
        check.require(copied, tmp_path)
    assert all(str(found[name].folder) in str(error.value) for name in problems)
    assert not data_main.show_sources(copied, tmp_path)
    assert "egoexo -o FOLDER" in capsys.readouterr().out


def test_one_medium_that_is_missing_does_not_stop_a_small_source(tiny_world, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    cv2.imwrite(str(folder / "there.png"), np.zeros((8, 8, 3), np.uint8))
    talks = (("gone.png", "Describe the image."), ("there.png", "What is it?"))
    for image, question in talks:
        said = [{"from": "human", "value": question}, {"from": "gpt", "value": "a cup"}]
        with (folder / "talk.jsonl").open("a") as file:
            file.write(json.dumps({"image": image, "conversations": said}) + "\n")
    data = tiny_world.params.model_copy(update={"sources": params.Sources(general=folder)})
    (found,) = check.findings(data, tmp_path)
    assert (found.problem, found.rows) == ("", "1 captions, 1 questions") and found.medium.startswith("there.png, 1 s")


@pytest.mark.parametrize(("image", "state", "code"), [("broken.png", "mend", 1), ("there.png", "ok", 0)])
def test_the_command_ends_with_1_where_the_table_has_a_mistake(
    tiny_world, tmp_path, monkeypatch, capsys, image, state, code
):
    folder = tmp_path / "mine"
    folder.mkdir()
    cv2.imwrite(str(folder / "there.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "broken.png").write_text("no image")
    said = [{"from": "human", "value": "Describe the image."}, {"from": "gpt", "value": "a cup"}]
    records = ({"image": image, "conversations": said}, {"images": ["a.png", "b.png"], "conversations": said})
    (folder / "talk.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    data = tiny_world.params.model_dump(mode="json") | {"sources": {"general": "mine"}}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(data))
    monkeypatch.setattr(sys, "argv", ["data", "check", "--params", "data.yaml"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        data_main.main()
    assert int(stop.value.code) == code
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"general {state} folder:" in shown and "rejected: 1 x several_images" in shown
    assert ("broken.png: it is broken" in shown) == bool(code)


def test_the_step_stops_before_it_reads(copied, tmp_path):
    shutil.rmtree(copied.sources.given()["openeqa"] / "data")
    with pytest.raises(ValueError, match="openeqa in"):
        data_main.run("annotations", copied, tmp_path / "data")
    assert not (tmp_path / "data/annotations").exists()


def test_a_source_that_loses_nearly_all_stops_with_its_reasons(copied, tmp_path):
    csv = copied.sources.given()["egoexolearn"] / "annotations/fine_annotation_trainval_en.csv"
    csv.write_text("\n".join(line.replace(",ego,", ",exo9,") for line in csv.read_text().splitlines()))
    with pytest.raises(ValueError, match=r"egoexolearn: (\d+) of \1 rows are rejected: \1 x \w+, for example .*exo9"):
        data_main.run("annotations", copied, tmp_path / "data")
    raised = copied.annotations.model_copy(update={"most_rejected_share": 0.1})
    with pytest.raises(ValueError, match=r"egoexo4d: .* x pseudo_camera"):
        data_main.run("annotations", copied.model_copy(update={"annotations": raised}), tmp_path / "data")


def test_intervals_without_films_and_without_the_takes_of_another_source_are_a_problem(copied, tmp_path, capsys):
    folder = copied.sources.given()["egoexolearn"]
    alone = copied.model_copy(update={"sources": params.Sources(egoexolearn=folder)})
    (found,) = check.findings(alone, tmp_path)
    assert "no video can be read" in found.problem and "videos/" in found.problem
    assert not data_main.show_sources(alone, tmp_path)
    assert str(folder) in capsys.readouterr().out.replace("\n", "").replace("│", "").replace(" ", "")


@pytest.mark.parametrize(
    "beside, problem", [((), "films of a known view"), (("egoexo4d",), "VISOR's boxes"), (("egoexo4d", "visor"), "")]
)
def test_web_video_says_what_it_needs_beside_it(copied, tmp_path, beside, problem):
    given = copied.sources.given()
    named = params.Sources(**{name: given[name] for name in ("htm_aa", *beside)})
    found = found_of(copied.model_copy(update={"sources": named}), tmp_path)["htm_aa"]
    assert problem in found.problem and bool(found.problem) == bool(problem)


@pytest.mark.parametrize(
    ("sources", "funnel", "key", "steps"),
    [
        ({"general": "/mine"}, {}, "sources.general", ["annotations", "media", "funnel", "frames"]),
        ({"epic100": "data/raw/epic100"}, {}, "", []),
        ({"epic100": "data/raw/epic100"}, {"features": "encoder"}, "funnel.features", ["funnel"]),
        ({"epic100": "data/raw/epic100"}, {"hand_detector": "/hands"}, "funnel.hand_detector", ["funnel"]),
    ],
)
def test_a_folder_that_dvc_does_not_know_is_said(tiny_world, tmp_path, capsys, sources, funnel, key, steps):
    shutil.copy(PROJECT / "dvc.yaml", tmp_path)
    named = {"sources": params.Sources(**sources), "funnel": tiny_world.params.funnel.model_copy(update=funnel)}
    data = tiny_world.params.model_copy(update=named)
    found = graph_deps.undeclared(data, tmp_path)
    assert [sentence.split(" names ")[0] for sentence in found] == [key] * len(steps)
    assert all(f"the step {step}:" in sentence for step, sentence in zip(steps, found, strict=True))
    data_main.show_sources(data, tmp_path)
    shown = capsys.readouterr().out
    assert all(sentence in shown for sentence in found)


def test_every_source_says_where_it_comes_from():
    assert set(SOURCES) <= set(check.RELEASES)
