import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows import data, data_graph, tasks
from flows.supervisor import StageFailed, StageStopped
from tests.flows import stand_in
from tests.flows.conftest import wait

EMPTY = "stages: {}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three DVC stages in a row; the second's source `seed.txt` and the unrelated `other` stand beside."""
    stages = {
        "c": stand_in.copying("b.txt", "c.txt"),
        "b": stand_in.copying("a.txt", "b.txt"),
        "a": stand_in.copying("seed.txt", "a.txt"),
        "other": stand_in.copying("other.txt", "d.txt"),
    }
    stand_in.write_yaml(tmp_path / "dvc.yaml", {"stages": stages})
    for name in ("seed.txt", "other.txt"):
        (tmp_path / name).write_text("1")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repro(*names: str, stop=lambda: None) -> list[str]:
    with disable_run_logger(), data.reproduced(names, stop) as told:
        return [data.follow(name, lines).how for name, lines in told.items()]


def test_stages_come_after_what_they_read_whatever_the_file_says(project: Path):
    names = data.stage_names(project / "dvc.yaml")
    assert [name for name in names if name != "other"] == ["a", "b", "c"]


def test_a_folder_and_a_file_in_it_are_the_same_edge(tmp_path: Path):
    stages = {
        "reads_file": {"cmd": "x", "deps": ["data/raw/one.json"], "outs": [{"data/one": {"cache": False}}]},
        "makes_folder": {"cmd": "x", "outs": ["data/raw"]},
        "reads_all": {"cmd": "x", "deps": ["data/one/part.txt"]},
    }
    stand_in.write_yaml(tmp_path / "dvc.yaml", {"stages": stages})
    assert data.stage_names(tmp_path / "dvc.yaml") == ["makes_folder", "reads_file", "reads_all"]


@pytest.mark.parametrize("text", [None, "", EMPTY])
def test_a_folder_without_stages_says_where_to_start(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(ValueError, match="has no stages. Start this from the project root"):
        data.stage_names(tmp_path / "dvc.yaml")


def test_a_mistake_in_the_parameters_comes_before_dvc_removes_what_a_stage_made(project: Path):
    shutil.copytree(stand_in.ROOT / "params", "params")
    path = Path("params/data.yaml")
    path.write_text(path.read_text().replace("min_frames:", "min_frame:"))
    Path("a.txt").write_text("made before")  # of a stage that is outdated
    with disable_run_logger(), pytest.raises(ValueError, match=r"did you mean min_frames\?"):
        data.refresh(lambda: None)
    assert Path("a.txt").read_text() == "made before"


def test_a_stage_runs_once_and_only_what_depends_on_a_change_is_stale(project: Path):
    assert data.stale() == data.stage_names(project / "dvc.yaml")
    assert repro("a", "b", "c", "other") == ["ran", "ran", "ran", "ran"]
    assert repro("a") == ["reused"] and data.stale() == []

    (project / "seed.txt").write_text("2")
    assert data.stale() == ["a", "b", "c"]
    assert repro("a", "b", "c", "other") == ["ran", "ran", "ran", "reused"]
    assert (project / "c.txt").read_text() == "2"

    # DVC still has the outputs of the first seed
    (project / "seed.txt").write_text("1")
    assert repro("a") == ["from cache"] and (project / "a.txt").read_text() == "1"


def test_a_change_of_the_parameters_that_no_stage_reads_makes_no_other_stale(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(stand_in.ROOT)
    assert data.stage_names(Path("dvc.yaml"))[0] == data_graph.JUDGES
    told = subprocess.CompletedProcess([], 0, stdout='{"parameters": [{"changed deps": {}}]}')
    monkeypatch.setattr(data_graph.subprocess, "run", lambda *_, **__: told)
    assert data.stale() == ["parameters"]


def test_what_is_stale_can_be_asked_beside_a_running_stage(project: Path):
    slow = stand_in.copying("seed.txt", "a.txt")
    slow["cmd"] = f"touch started; while [ -e wait ]; do sleep 0.05; done; {slow['cmd']}"
    others = {"b": stand_in.copying("a.txt", "b.txt"), "other": stand_in.copying("other.txt", "d.txt")}
    stand_in.write_yaml(project / "dvc.yaml", {"stages": {"a": slow, **others}})
    assert repro("other") == ["ran"]
    (project / "wait").touch()
    running = subprocess.Popen([*data_graph.DVC, "repro", "-q", "--single-item", "a"])
    try:
        wait(lambda: (project / "started").exists() or running.poll() is not None, 60, lambda: "it never started")
        told = data.stale()
    finally:
        (project / "wait").unlink()
        code = running.wait(60)
    assert code == 0 and told == ["a", "b"] and data.stale() == ["b"]


def test_a_failing_stage_shows_its_last_lines_and_the_log(project: Path):
    (project / "other.txt").write_text("broken")
    with pytest.raises(StageFailed, match=r"(?s)failed to reproduce 'other'.*\.cache/logs/data\.log"):
        repro("a", "other", "b")
    assert (project / "a.txt").exists() and not (project / "b.txt").exists()


def test_dvc_ends_with_what_waits_for_it(project: Path):
    stand_in.write_yaml(project / "dvc.yaml", {"stages": {"slow": {"cmd": "echo begun > slow.txt && sleep 300"}}})
    began_s = time.monotonic()
    with pytest.raises(KeyError, match="slow"), disable_run_logger(), data.reproduced(["slow"], lambda: None) as told:
        while not (project / "slow.txt").exists():
            assert time.monotonic() - began_s < 60
        raise KeyError(*told)
    assert time.monotonic() - began_s < 100


def test_a_stopped_stage_is_not_tried_again(project: Path):
    def error_of(stop) -> StageFailed:
        with pytest.raises(StageFailed) as failed:
            repro("a", stop=stop)
        return failed.value

    stopped = error_of(lambda: "cancelled")
    assert isinstance(stopped, StageStopped)
    (project / "seed.txt").write_text("broken")
    failed = error_of(lambda: None)

    class State:
        def __init__(self, error: Exception):
            self.error = error

        def result(self, *, raise_on_failure: bool) -> Exception:
            return self.error

    retry = tasks.as_task(data.follow, "a", retries=1).retry_condition_fn
    assert [retry(None, None, State(error)) for error in (stopped, failed)] == [False, True]
