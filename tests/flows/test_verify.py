"""`egoflow doctor --verify` says of everything on disk whether it is what was written."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from flows import doctor
from tests.components.data.frames.test_contract import write as write_frames
from tests.components.models.test_checkpoint_files import SHARDS, without
from tests.components.models.test_checkpoint_files import write as write_checkpoint
from tests.components.train.test_resumable import OPTIMISER
from tests.components.train.test_resumable import write as write_resumable


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A project with a finished checkpoint, one that is in training, and frames."""
    root = tmp_path_factory.mktemp("project")
    write_checkpoint(root / "checkpoints/stage1-0123")
    write_resumable(root / "checkpoints/stage2-0123/trainer", 4)
    (root / "data/frames").mkdir(parents=True)
    write_frames(root / "data/frames")
    return root


@pytest.fixture
def project(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = shutil.copytree(sound, tmp_path / "project")
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "900")
    return root


def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *folders: str) -> tuple[int, list[str]]:
    monkeypatch.setattr(sys, "argv", ["doctor", "--verify", *folders])
    return doctor.main(), capsys.readouterr().out.splitlines()[1:]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def flip_state(path: Path) -> None:
    content = path.read_bytes()
    at = content.index(np.ones(64, np.float32).tobytes())
    path.write_bytes(content[:at] + b"\1" + content[at + 1 :])


def test_what_is_as_it_was_written_is_good(project, monkeypatch, capsys):
    code, lines = verify(monkeypatch, capsys)
    assert code == 0 and [line.split()[:2] for line in lines] == [
        ["checkpoints/stage1-0123", "good"],
        ["checkpoints/stage2-0123/trainer/checkpoint-4", "good"],
        ["data/frames", "good"],
    ]


def test_one_bit_anywhere_is_found_with_its_file_and_what_to_do(project: Path, monkeypatch, capsys):
    flip(project / "checkpoints/stage1-0123/model" / SHARDS[0])
    flip_state(project / "checkpoints/stage2-0123/trainer/checkpoint-4" / OPTIMISER)
    flip(project / "data/frames/shard-00001.arrow")
    code, lines = verify(monkeypatch, capsys)
    assert code == 1 and all(line.split()[1] == "wrong" for line in lines)
    for line, file, remedy in zip(
        lines,
        (SHARDS[0], OPTIMISER, "shard-00001.arrow"),
        ("run the pipeline", "checkpoint before", "dvc"),
        strict=True,
    ):
        assert file in line and remedy in line


def test_only_the_folders_that_are_named_are_read(project: Path, monkeypatch, capsys):
    flip(project / "data/frames/shard-00001.arrow")
    code, lines = verify(monkeypatch, capsys, "checkpoints/stage1-0123")
    assert code == 0 and len(lines) == 1
    code, lines = verify(monkeypatch, capsys, "params")
    assert code == 1 and "name a finished checkpoint" in lines[0]


def test_a_checkpoint_without_digests_is_a_warning(project: Path, monkeypatch, capsys):
    without("files")(project / "checkpoints/stage1-0123")
    code, lines = verify(monkeypatch, capsys, "checkpoints/stage1-0123")
    assert code == 0 and lines[0].split()[1] == "warning" and "has no digests" in lines[0]
