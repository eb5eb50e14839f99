"""The DVC graph on a miniature of the miniature: what runs again after which change, and what a broken table stops."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

Dvc = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[3]
REVIEW = "data/review/egoexo_con.csv"
STEPS = [
    *(
        "world",
        "annotations",
        "media",
        "pretraining",
        "clips",
        "funnel",
        "egoit",
        "statistics",
        "egore",
        "egoexo_con",
        "dataset",
        "quality",
        "frames",
    )
]


def dvc_by(python: Path) -> Dvc:
    """Return a function that runs DVC in a project; the steps that it starts are processes of the interpreter here.

    Args:
        python: interpreter of DVC.
    """
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "true",
    }

    def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
        words = [str(python), "-m", "dvc", *command]
        return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, timeout=850)

    return run


@pytest.fixture(scope="module")
def dvc(warm_python: Path) -> Dvc:
    return dvc_by(warm_python)


def ran(done: subprocess.CompletedProcess) -> list[str]:
    """Give the stages that ran, but for the one that judges the parameters, which makes nothing."""
    return [name for name in re.findall(r"Running stage '(\w+)'", done.stdout + done.stderr) if name != "parameters"]


def change_params(project: Path, **blocks: dict) -> None:
    path, yaml = project / "params/data.yaml", YAML()
    content = yaml.load(path.read_text())
    for block, values in blocks.items():
        content[block].update(values)
    with path.open("w") as file:
        yaml.dump(content, file)


def build_project(copy: Path, dvc: Dvc) -> Path:
    """Copy the project into an empty folder with a few tiny takes, and build it by `dvc repro`."""
    for name in ("components", "params"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, copy / name)
    few = {"takes": 8, "val_fraction": 0.25, "test_fraction": 0.125, "web_videos": 12}
    change_params(copy, world=few, frames={"shard_frames": 400})
    dvc(copy, "init", "--no-scm", "--quiet")
    done = dvc(copy, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done) == STEPS
    return copy


@pytest.fixture(scope="module")
def project(dvc, tmp_path_factory) -> Path:
    return build_project(tmp_path_factory.mktemp("project"), dvc)


@pytest.mark.slow
def test_what_a_change_reruns(project, dvc):
    assert ran(dvc(project, "repro")) == []
    # a dry run names what the change itself touches; what follows from it shows only in a real one
    change_params(project, egore={"choices": 3})
    assert ran(dvc(project, "repro", "--dry")) == ["egore", "egoexo_con"]
    change_params(project, egore={"choices": 4}, frames={"jpeg_quality": 90})
    assert ran(dvc(project, "repro", "--dry")) == ["frames"]
    change_params(project, frames={"jpeg_quality": 95}, clips={"min_frames": 3})
    assert ran(dvc(project, "repro", "--dry")) == ["clips"]
    change_params(project, clips={"min_frames": 2}, egore={"long_per_window": 1})
    done = dvc(project, "repro")
    assert ran(done) == ["egore", "egoexo_con", "dataset", "quality", "frames"], done.stdout + done.stderr


def test_git_keeps_the_review_file_that_dvc_must_not_store_or_delete():
    stage = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]["egoexo_con"]
    assert {REVIEW: {"cache": False, "persist": True}} in stage["outs"]
    ignored = subprocess.run(["git", "check-ignore", REVIEW, "data/egoexo_con.json"], cwd=ROOT, capture_output=True)
    assert ignored.stdout.decode().split() == ["data/egoexo_con.json"]


@pytest.mark.slow
def test_the_edit_of_a_person_runs_the_step_and_comes_back_with_no_earlier_state(project, dvc):
    path = project / REVIEW
    header, line, *more = path.read_text().splitlines()
    assert line.count(",yes,") == 1
    path.write_text("\n".join([header, line.replace(",yes,", ",no,"), *more]) + "\n")
    dropped = line.split(",")[0]
    assert dropped in (project / "data/egoexo_con.json").read_text()
    assert ran(dvc(project, "repro")) == ["egoexo_con"] and ran(dvc(project, "repro")) == []
    for choices in (3, 4):  # what was made of four choices before the edit lies in the cache
        change_params(project, egore={"choices": choices})
        done = dvc(project, "repro", "--single-item", "egoexo_con")
        assert ran(done) == ["egoexo_con"], done.stdout + done.stderr
    assert dropped not in (project / "data/egoexo_con.json").read_text()
    assert f"{dropped}," in path.read_text() and ",no," in path.read_text()


@pytest.mark.slow
def test_a_mistake_in_the_parameters_is_told_before_an_output_is_removed(project, dvc):
    sound = (project / "params/data.yaml").read_bytes()
    change_params(project, clips={"min_frames": "two"})
    made = sorted((project / "data/clips").iterdir())
    for target in ([], ["clips"]):
        done = dvc(project, "repro", *target)
        assert done.returncode != 0 and "clips.min_frames" in done.stderr and "Traceback" not in done.stderr
        assert ran(done) == [] and sorted((project / "data/clips").iterdir()) == made
    (project / "params/data.yaml").write_bytes(sound)
    assert ran(dvc(project, "repro")) == []


@pytest.mark.slow
def test_every_corpus_reaches_the_dataset(project):
    counts = json.loads((project / "data/dataset/counts.json").read_text())
    assert {row["corpus"] for row in counts["samples"]} == {"egoexoclip", "egoit", "egore", "view30k"}
    assert set(counts["splits"]) == {"train", "test"}
    assert all(row["rows"] > 0 for row in counts["rejects"])


@pytest.mark.slow
def test_the_page_of_the_corpus_is_a_leaf(project, dvc):
    found = json.loads((project / "data/statistics/statistics.json").read_text())
    assert sum(found["groups"].values()) == found["groups_before"] == 8
    assert "Ego-ExoClip" in (project / "data/statistics/index.html").read_text()
    style = project / "components/report/style.css"
    sound = style.read_text()
    style.write_text(sound + "\n")
    assert ran(dvc(project, "repro", "--dry")) == ["statistics"]
    style.write_text(sound)


@pytest.mark.slow
def test_outs_are_few_and_all_steps_share_one_site(project):
    validations = project / "data/gx/uncommitted/data_docs/local_site/validations"
    assert {folder.name for folder in validations.iterdir()} == set(STEPS) - {"world", "statistics"}
    made = [path for step in STEPS[1:] for path in (project / "data" / step).rglob("*") if path.is_file()]
    assert len(made) < 4 * len(STEPS)


def content_of(path: Path) -> bytes:
    """Return the bytes of a file, of a compressed table those of its rows and its metadata."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    table = pq.read_table(path)
    return f"{table.to_pylist()}{table.schema.metadata}".encode()


@pytest.mark.slow
def test_no_output_holds_the_path_of_the_project(project):
    outputs = [path for step in STEPS for path in (project / "data" / step).rglob("*") if path.is_file()]
    assert [path for path in outputs if str(project).encode() in content_of(path)] == []


@pytest.mark.slow
def test_a_broken_table_stops_the_graph(project, dvc):
    source = project / "components/data/egore/multiple_choice.py"
    sound = source.read_text()
    source.write_text(sound.replace('position = draw(len(false) + 1, key, "position")', "position = 0"))
    try:
        done = dvc(project, "repro")
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert ran(done) == ["pretraining", "egoit"]
        assert "egoit.answer_positions: expect_column_values_to_be_between(sigmas) failed" in said
        assert "Traceback" not in said
        assert "egoit" in dvc(project, "status").stdout
    finally:
        source.write_text(sound)
