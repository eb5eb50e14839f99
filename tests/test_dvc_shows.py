"""`dvc metrics show`, `dvc plots show` and `dvc params diff` show what the data is like and what was changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    "clips/stats.json": {"moments": 3040, "clips": {"ego": 2993}},
    "funnel/classifier.json": {"classifier": {"accuracy": {"value": 0.98}}},
    "egoit/counts.json": [{"question_type": "narration", "samples": 1442}, {"question_type": "interval", "samples": 7}],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The data graph in a repository of its own, with the files of three steps as those write them."""
    for name in ("dvc.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "params", tmp_path / "params")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *who, "commit", "-qm", "first"], cwd=tmp_path, check=True)
    for name, content in FILES.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_text(json.dumps(content))
    return tmp_path


def dvc(project: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_dvc_shows_something_real(project: Path):
    shown = json.loads(dvc(project, "metrics", "show", "--json"))[""]["data"]
    assert shown["data/clips/stats.json"]["data"] == FILES["clips/stats.json"]
    assert shown["data/funnel/classifier.json"]["data"]["classifier"]["accuracy"]["value"] == 0.98
    plots = json.loads(dvc(project, "plots", "show", "--json"))
    [plot] = plots["data"]["samples by type of question"]
    assert "narration" in json.dumps(plot) and "1442" in json.dumps(plot)

    path = project / "params/data.yaml"
    path.write_text(path.read_text().replace("min_frames: 2", "min_frames: 4"))
    changed = json.loads(dvc(project, "params", "diff", "--json"))["params/data.yaml"]
    assert changed == {"clips.min_frames": {"old": 2, "new": 4, "diff": 2}}
