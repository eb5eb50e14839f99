"""Every command that a page shows is understood by its program; no command is left unclassified."""

from __future__ import annotations

import pytest

from tests.docs import commands

SHOWN = sorted({tuple(words) for _, words in commands.shown()})


def test_pages_show_commands():
    assert {"README.md", "CONTRIBUTING.md", "quickstart.md", "operations.md"} <= {page for page, _ in commands.shown()}


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: " ".join(words)[:90])
def test_a_command_is_understood(words):
    commands.check(list(words))


@pytest.mark.parametrize(
    "line",
    [
        "python -m flows.pipeline --no-such-flag",
        "python -m flows.compare --seeds many",
        "python -m components.data no_such_step --params params/data.yaml",
        "python -m components.train --recipe no_such_recipe --dry-run",
        "python -m flows.compare --comparison params/ablations/no_such_file.yaml",
        "make no-such-target",
        "mlflow ui --no-such-flag",
        "dvc no-such-command",
        "prefect server start --no-such-flag",
        "prefect deployment run pipeline/no-such-deployment",
        "pip install -e '.[no_such_extra]'",
        "export NO_SUCH_VARIABLE=1",
        "git no-such-command",
        "no-such-program",
    ],
)
def test_a_wrong_command_is_found(line):
    (words,) = commands.split(line)
    with pytest.raises((Exception, SystemExit)):
        commands.check(words)
