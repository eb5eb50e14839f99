"""The interpreter that trains: this one, that of another environment, or a refusal that says how to make one."""

import os
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from components.train import interpreter, launch_command

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_other(monkeypatch):
    interpreter._checked.cache_clear()
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def command() -> list[str]:
    return launch_command.command(
        recipe=Path("r.yaml"), stage="s", ranks=1, parents={}, data=Path("data"), output=Path("out"), run_id="0a",
        provenance={},
    )  # fmt: skip


def test_without_a_name_this_one_trains():
    assert interpreter.python() == command()[0] == sys.executable


def test_the_named_one_starts_the_stage_and_its_programs_come_first(tmp_path, monkeypatch):
    other = program(tmp_path / "bin" / "python", f'exec {sys.executable} "$@"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(interpreter.VARIABLE, "bin/python")
    assert interpreter.python() == command()[0] == str(other)
    env = launch_command.environment(ROOT, threads=1, python=interpreter.python())
    assert env["PATH"].split(os.pathsep)[0] == str(other.parent)


def test_the_python_of_a_virtual_environment_is_not_what_its_link_leads_to(tmp_path, monkeypatch):
    (tmp_path / "python").symlink_to(program(tmp_path / "real" / "python", f'exec {sys.executable} "$@"'))
    monkeypatch.setenv(interpreter.VARIABLE, str(tmp_path / "python"))
    assert interpreter.python() == str(tmp_path / "python")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "came, which is no executable file; allowed is the path of a Python"),
        ("echo no such option >&2; exit 2", "came, which is no Python: no such option"),
        # without site-packages
        (f'exec {sys.executable} -I -S "$@"', f"which trains and evaluates, lacks {', '.join(interpreter.NEEDED)}"),
    ],
)
def test_one_that_cannot_train_is_refused_with_the_way_to_make_one(body, message, tmp_path, monkeypatch):
    path = tmp_path / "bin" / "python"
    if body is not None:
        program(path, body)
    monkeypatch.setenv(interpreter.VARIABLE, str(path))
    with pytest.raises(ValueError, match=message) as refused:
        interpreter.python()
    assert str(path) in str(refused.value) and "make .venv-training/installed" in str(refused.value)


def test_packages_are_looked_for_in_the_one_that_is_named(tmp_path, monkeypatch):
    assert interpreter.has("torch") and not interpreter.has("no_such_package")
    # it lacks nothing, whatever is asked
    monkeypatch.setenv(interpreter.VARIABLE, str(program(tmp_path / "bin" / "python", "exit 0")))
    assert interpreter.has("no_such_package")


def test_what_the_extra_names_is_looked_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {Requirement(text).name for text in extras["training"]} <= set(interpreter.NEEDED)
