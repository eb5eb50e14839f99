"""The doctor finds what is broken, and says what mends it; each fault is made here."""

import os
import socket
import subprocess
import sys
from collections import namedtuple

import pytest

from components.train import launch_command
from flows import doctor
from tests.flows import stand_in

Usage = namedtuple("Usage", "free")


def of(look, name: str) -> doctor.Finding:
    return next(one for one in look() if one.name == name)


def test_this_machine_is_looked_at_in_the_first_second_of_the_demo():
    done = subprocess.run(
        [sys.executable, "-m", "flows.doctor"], cwd=stand_in.ROOT, capture_output=True, text=True,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert {"python", "torch", "memory", "links", "MLflow"} <= {
        line.split()[0] for line in done.stdout.splitlines()[1:]
    }
    demo = (stand_in.ROOT / "Makefile").read_text().split("\ndemo:")[1].splitlines()
    assert demo[1].split() == ["egoflow", "doctor"]


def test_a_package_of_another_version_is_told_with_the_one_that_was_tested(tmp_path, monkeypatch):
    (tmp_path / "requirements.lock").write_text("trl==0.0.1 \\\n    --hash=sha256:00\n")
    monkeypatch.chdir(tmp_path)
    found = of(doctor.python, "trl")
    assert found.state == "warning" and "0.0.1" in found.remedy and "make .venv/installed" in found.remedy


def test_a_program_that_is_missing_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert of(doctor.compilers, "git").state == "wrong"


def test_a_disk_that_is_nearly_full_is_told_with_what_to_look_at(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(2 * doctor.GIB))
    found = of(doctor.resources, "disk")
    assert found.state == "warning" and found.seen == "2.0 GiB free" and "du -sh" in found.remedy


def test_little_shared_memory_is_told_where_there_are_gpus(monkeypatch):
    monkeypatch.setattr(launch_command, "gpus", lambda: ("0",))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(64 * 2**20))
    assert "--shm-size" in of(doctor.resources, "shared memory").remedy


def test_a_file_system_without_links_or_locks_is_told(monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(doctor.os, "link", refuse)
    monkeypatch.setattr(doctor.fcntl, "ioctl", refuse)
    monkeypatch.setattr(doctor.fcntl, "flock", refuse)
    assert of(doctor.file_system, "links").state == "warning" and of(doctor.file_system, "locks").state == "wrong"


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "PREFECT_API_URL"])
def test_a_server_that_does_not_answer_is_wrong(variable: str, monkeypatch):
    with socket.socket() as door:  # a port that is nobody's
        door.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        monkeypatch.setenv(variable, address)
        found = of(doctor.services, {"MLFLOW_TRACKING_URI": "MLflow"}.get(variable, "Prefect"))
    assert found.state == "wrong" and address in found.seen and f"unset {variable}" in found.remedy


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:p@ss@127.0.0.1/db", "postgresql://…@127.0.0.1/db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_a_password_in_an_address_is_not_shown(address: str, shown: str, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert of(doctor.services, "MLflow").seen == shown


def test_an_address_that_is_none_is_wrong(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://")
    assert of(doctor.services, "MLflow").state == "wrong"


def test_what_is_wrong_ends_with_1(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "looked_at", lambda: [doctor.Finding("git", "wrong", "not found", "install it")])
    monkeypatch.setattr(sys, "argv", ["doctor"])
    assert doctor.main() == 1 and "install it" in capsys.readouterr().out
