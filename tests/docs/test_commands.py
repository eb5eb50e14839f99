"""Every command that a page shows is understood by its program; no command is left unclassified."""

from __future__ import annotations

import subprocess
import sys

import click
import cyclopts
import pytest
from dvc.cli import DvcParserError

from tests.docs import commands

SHOWN = sorted({tuple(words) for _, words in commands.shown()})


def test_pages_show_commands():
    assert {"README.md", "CONTRIBUTING.md", "quickstart.md", "operations.md"} <= {page for page, _ in commands.shown()}


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: " ".join(words)[:90])
def test_a_command_is_understood(words):
    commands.check(list(words))


@pytest.mark.parametrize("hook", commands.hooks(), ids=lambda hook: " ".join(hook)[:30])
def test_a_pre_commit_hook_runs(hook):
    program, *arguments = hook
    files = [] if "-c" in arguments else ["docs/generate.py"]
    assert program == "python"
    ran = subprocess.run([sys.executable, *arguments, *files], cwd=commands.ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("python -m flows.pipeline --no-such-flag", AssertionError),
        ("python -m flows.compare --seeds many", AssertionError),
        ("python -m components.data no_such_step --params params/data.yaml", AssertionError),
        ("python -m components.train --recipe no_such_recipe --dry-run", AssertionError),
        ("python -m flows.compare --comparison params/ablations/no_such_file.yaml", AssertionError),
        ("make no-such-target", AssertionError),
        ("mlflow ui --no-such-flag", click.NoSuchOption),
        ("dvc no-such-command", DvcParserError),
        ("prefect server start --no-such-flag", cyclopts.UnknownOptionError),
        ("prefect deployment run pipeline/no-such-deployment", KeyError),
        ("pip install -e '.[no_such_extra]'", AssertionError),
        ("export NO_SUCH_VARIABLE=1", AssertionError),
        ("git no-such-command", AssertionError),
        ("no-such-program", KeyError),
    ],
)
def test_a_wrong_command_is_found(line, error):
    (words,) = commands.split(line)
    with pytest.raises(error):
        commands.check(words)
