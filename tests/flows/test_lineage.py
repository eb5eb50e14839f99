"""The command `lineage` draws what `why` and `impact` say."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from flows import lineage
from tests.components.report.test_lineage import IMPACT, ROWS


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list:
    asked = []

    def of_metric(predictions: Path, data: Path, metric: str, *, limit: int) -> pd.DataFrame:
        asked.append((predictions, data, metric, limit))
        return ROWS

    def run(words: list[str], **how: object) -> subprocess.CompletedProcess:
        asked.append(words[2:])
        known = words[3] == "kitchen_1"
        return subprocess.CompletedProcess(words, 0 if known else 2, json.dumps(IMPACT), "usage\nerror: 'x' came")

    monkeypatch.setattr(lineage.lineage, "of_metric", of_metric)
    monkeypatch.setattr(lineage.subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    return asked


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["lineage", *words])
    return lineage.main()


def test_both_are_drawn_on_one_page(said, monkeypatch, capsys):
    assert run(monkeypatch, "--metric", "qa/accuracy", "--checkpoint", "c", "--take", "kitchen_1", "--limit", "3") == 0
    assert said == [
        (Path("c/evaluation/predictions.parquet"), Path("data"), "qa/accuracy", 3),
        ["components.train.lineage", "kitchen_1", "--data", "data", "--checkpoints", "checkpoints", "--json"],
    ]
    page = Path("reports/lineage.html")
    assert capsys.readouterr().out == f"{page}\n" and page.read_text().count("<svg") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a --metric with its --checkpoint"),
        (["--metric", "qa/accuracy"], "--metric and --checkpoint go together"),
        (["--take", "unknown"], "error: 'x' came"),
    ],
)
def test_what_cannot_be_drawn_says_so(said, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit):
        run(monkeypatch, *words)
    assert message in capsys.readouterr().err
