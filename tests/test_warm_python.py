"""What stands for an interpreter behaves as one: exit codes, output, the folder it runs in, and its end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.warm_python import ROOT


def run(python: Path, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(python), *words], cwd=cwd, capture_output=True, text=True, timeout=240)


def test_a_program_ends_with_its_own_code_and_output(warm_python: Path):
    asked = ["-m", "components.train", "--recipe", "nothing", "--dry-run"]
    warm, cold = run(warm_python, "-u", *asked), run(Path(sys.executable), *asked)
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert warm.returncode == 2 and "'nothing' is no file" in warm.stderr


def test_anything_else_is_run_by_the_real_interpreter(warm_python: Path):
    done = run(warm_python, "-c", "import sys; print(sys.executable, 'torch' in sys.modules); sys.exit(3)")
    assert (done.returncode, done.stdout) == (3, f"{sys.executable} False\n")


def test_other_code_than_what_was_imported_is_refused(warm_python: Path, tmp_path: Path):
    (tmp_path / "components").mkdir()
    done = run(warm_python, "-m", "components.train", cwd=tmp_path)
    assert done.returncode == 1 and "is other code than what is imported" in done.stderr


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_what_ends_the_program_ends_the_process_that_was_forked_for_it(warm_python: Path, tmp_path: Path, end: str):
    log = tmp_path / "log"
    # torchrun, which says who it is and waits for the other node for ever
    words = ["-m", "torch.distributed.run", "--nnodes", "2", "--rdzv-backend", "static", "--node-rank", "1"]
    words += ["--master-addr", "127.0.0.1", "--master-port", "9", "-m", "components.train"]
    with log.open("wb") as file:
        process = subprocess.Popen([str(warm_python), *words], cwd=ROOT, stdout=file, stderr=file)
    marked = f"/proc/{process.pid}/fd/1"

    def forked() -> list[int]:
        written = os.stat(log)
        found = []
        for one in psutil.process_iter():
            try:
                same = os.path.samestat(os.stat(f"/proc/{one.pid}/fd/1"), written)
            except OSError:
                continue
            if same and f"/proc/{one.pid}/fd/1" != marked:
                found.append(one.pid)
        return found

    end_s = time.monotonic() + 60
    while not forked():
        assert time.monotonic() < end_s and process.poll() is None, log.read_text()
        time.sleep(0.05)
    getattr(process, end)()
    process.wait(60)
    while forked():
        assert time.monotonic() < end_s + 60
        time.sleep(0.05)


def test_dvc_is_forked_and_what_it_starts_is_not(warm_python: Path, tmp_path: Path):
    told = "import sys; print('torch' in sys.modules, file=open('told', 'w'))"
    stage = {"cmd": f'{sys.executable} -c "{told}"', "deps": ["read"], "outs": ["told"]}
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"tell": stage}}))
    (tmp_path / "read").touch()
    (tmp_path / "components").mkdir()  # DVC imports none of ours
    (tmp_path / "components/__init__.py").touch()
    assert run(warm_python, "-m", "dvc", "init", "--no-scm", "-q", cwd=tmp_path).returncode == 0
    first, second = (run(warm_python, "-m", "dvc", "repro", cwd=tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "Running stage 'tell'" in first.stdout and (tmp_path / "told").read_text() == "False\n"
    assert "Running" not in second.stdout and "Stage 'tell' didn't change, skipping" in second.stdout
    (tmp_path / "read").write_text("more")
    assert "Running stage 'tell'" in run(warm_python, "-m", "dvc", "repro", "--dry", cwd=tmp_path).stdout
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"tell": stage | {"cmd": "exit 3"}}}))
    failed = run(warm_python, "-m", "dvc", "repro", cwd=tmp_path)
    assert failed.returncode != 0 and "failed to reproduce 'tell'" in failed.stderr
