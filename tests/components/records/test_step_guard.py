"""A stage of dvc.yaml under the real `dvc`: its lock vouches for what was read, and its outputs are its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from components.records.single_writer import BusyError, single_writer
from components.records.step_guard import guarded, inputs, unlink_from_cache

ROOT = Path(__file__).parents[3]
STEP = """
import sys, time
from pathlib import Path
from components.records.step_guard import guarded

text = Path("data/in.txt").read_text()
try:
    with guarded("copy", Path.cwd()):
        Path("data/out").mkdir(exist_ok=True)
        with open("data/out/copy.txt", "w") as file:
            file.write(text)
        Path("started").touch()
        while Path("wait").exists():
            time.sleep(0.02)
except ValueError as error:
    print(error)
    sys.exit(1)
"""
GRAPH = """
stages:
  copy:
    cmd: {python} step.py
    params: [params/data.yaml: [copy.times]]
    deps: [data/in.txt, components/code.py]
    outs: [data/out]
"""


def dvc(root: Path, *words: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, env=environment(), capture_output=True, text=True, **kwargs
    )


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}


@pytest.fixture
def project(tmp_path) -> Path:
    for name, text in {
        "data/in.txt": "first",
        "components/code.py": "RULE = 1\n",
        "params/data.yaml": "copy: {times: 1}\nother: 2\n",
        "step.py": STEP,
        "dvc.yaml": GRAPH.format(python=sys.executable),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    dvc(tmp_path, "init", "--no-scm", "--quiet", check=True)
    return tmp_path


def wait_for(path: Path) -> None:
    deadline_s = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline_s, f"{path} never came"
        time.sleep(0.02)


def repro_with(project: Path, change) -> subprocess.CompletedProcess[str]:
    """Run `dvc repro` and make a change while its step runs."""
    (project / "wait").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(project / "started")
    change()
    (project / "wait").unlink()
    said, _ = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, said, "")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("params/data.yaml", "copy: {times: 2}\nother: 2\n", "params/data.yaml: copy.times changed"),
        ("components/code.py", "RULE = 2\n", "components/code.py changed"),
        ("data/in.txt", "second one", "data/in.txt changed"),
    ],
)
def test_what_changed_under_a_step_leaves_no_entry_in_the_lock(project, name, text, told):
    ended = repro_with(project, lambda: (project / name).write_text(text))
    assert ended.returncode != 0 and told in ended.stdout
    assert not (project / "dvc.lock").exists()
    assert "copy" in json.loads(dvc(project, "status", "--json", check=True).stdout)


def test_a_parameter_that_the_step_does_not_read_may_change(project):
    ended = repro_with(project, lambda: (project / "params/data.yaml").write_text("copy: {times: 1}\nother: 3\n"))
    assert ended.returncode == 0, ended.stdout
    assert json.loads(dvc(project, "status", "--json", check=True).stdout) == {}


@pytest.mark.parametrize("link", ["reflink", "hardlink", "symlink", "copy"])
def test_a_step_run_by_hand_leaves_the_cache_as_it_is(project, link):
    types = "reflink,copy" if link == "reflink" else link  # not every file system has them
    dvc(project, "config", "cache.type", types, check=True)
    dvc(project, "repro", check=True)
    (project / "data/in.txt").write_text("another text")
    subprocess.run([sys.executable, "step.py"], cwd=project, env=environment(), check=True)
    assert (project / "data/out/copy.txt").read_text() == "another text"
    dvc(project, "checkout", "--force", "data/out", check=True)
    assert (project / "data/out/copy.txt").read_text() == "first"


def test_a_step_ends_with_its_repro(project):
    (project / "wait").touch()
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], cwd=project, env=environment())
    wait_for(project / "started")
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
    (project / "wait").unlink()
    assert dvc(project, "repro").returncode == 0


def test_a_second_writer_is_told_of_the_first(tmp_path):
    told = rf"stage 'copy'.* process {os.getpid()} on .* since 20"
    with guarded("copy", tmp_path), pytest.raises(BusyError, match=told), guarded("copy", tmp_path):
        pass


def test_a_place_is_free_when_its_owner_is_killed(tmp_path):
    lock = tmp_path / "lock"
    program = (
        "import sys, time; from pathlib import Path; from components.records.single_writer import single_writer\n"
        "with single_writer(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None and owner.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=f"process {owner.pid} "), single_writer(lock, "it"):
        pass
    owner.kill()
    owner.wait()
    with single_writer(lock, "it"):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_inputs_of_the_real_graph_are_told_by_name():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    code = {name: text for name, text in inputs(stages["egore"], ROOT).items() if name.startswith("components/")}
    assert "components/data/egore/step.py" in code and not any("__pycache__" in name for name in code)
    assert inputs(stages["egore"], ROOT)["params/data.yaml: seed"] == json.dumps(
        YAML(typ="safe").load((ROOT / "params/data.yaml").read_text())["seed"]
    )


def test_files_of_one_link_stay_as_they_are(tmp_path):
    (tmp_path / "own.txt").write_text("own")
    inode = (tmp_path / "own.txt").stat().st_ino
    unlink_from_cache(tmp_path)
    assert (tmp_path / "own.txt").stat().st_ino == inode
