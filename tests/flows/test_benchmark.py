"""The command `benchmark`: its table over files alone, what it logs and records, and how it refuses."""

import json
from pathlib import Path

import pytest

from components import tracking
from components.benchmarks.runner import run
from components.benchmarks.runner.protocol import How
from components.benchmarks.shared.sample import Benchmark
from flows import benchmark

ROOT = Path(__file__).parents[2]
SCORES = {"plain": 0.5, "first_person": 0.625}
ENTRY = {"value": 0.5, "lo": None, "hi": None, "n": 2, "videos": 2}
ENTRY |= {"blind": 0.25, "chance": 0.2, "constant": 0.3, "text_guess": 0.4}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    rows = [
        {"q_uid": str(place), "question": "why?", "CA": place % 5} | {f"option {o}": f"{o}" for o in range(5)}
        for place in range(10)
    ]
    (tmp_path / "egoschema").mkdir()
    (tmp_path / "egoschema/questions.json").write_text(json.dumps([*rows, {"q_uid": "no question"}]))
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["benchmark", *words])
    return benchmark.main()


def test_a_dry_run_shows_rows_rejects_films_and_guesses_without_a_model(files, monkeypatch, capsys):
    table = files / "table.json"
    words = ("--root", str(files), "--dry-run", "--benchmarks", "egoschema,vlnqa", "--json", str(table))
    assert called(monkeypatch, *words) == 0
    printed = capsys.readouterr().out
    assert "1 malformed_row" in printed and "vlnqa: none of ['vlnqa.json'] in" in printed
    [schema] = json.loads(table.read_text())
    assert (schema["rows"], schema["samples"], schema["films_missing"], schema["videos"]) == (11, 10, 10, 10)
    assert schema["constant"]["value"] == 0.2 and schema["random"]["value"] == pytest.approx(0.2)


def test_scores_rows_and_rejects_go_to_mlflow_and_the_leaderboard(files, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    leaderboard = tmp_path / "leaderboard.json"
    leaderboard.write_text('{"older": {"recorded_in": "abc", "scores": {}}}')
    monkeypatch.setattr(benchmark, "LEADERBOARD", leaderboard)

    class Asked:
        def __init__(self, checkpoint: Path, *settings: object):
            self.checkpoint = checkpoint

        def run(self, name: str, asked: Benchmark, roots: object, how: How) -> dict:
            folder = how.folder(self.checkpoint, name, asked)
            if folder.exists():
                raise ValueError("this second run fails")
            folder.mkdir(parents=True)
            for file in benchmark.FILES:
                (folder / file).write_text("written")
            found = {f"{name}/accuracy": ENTRY | {"value": SCORES[how.level]}}
            (folder / "metrics.json").write_text(json.dumps(found))
            return found

    monkeypatch.setattr(run, "Asked", Asked)
    words = ("--root", str(files), "--frames", "0", "--checkpoint", str(tmp_path / "stage1-k"))
    assert called(monkeypatch, *words, "--record", "tiny", "--prompts", *SCORES) == 0
    printed = capsys.readouterr().out
    told = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines() if "egoschema/acc" in line]
    assert [row[1:4] for row in told] == [
        ["egoschema/accuracy", "plain", "50.0"], ["egoschema/accuracy", "first_person", "62.5"],
    ]  # fmt: skip
    assert "egoschema/accuracy" in printed, "of `all`, what cannot be asked is left out"
    assert "left out: epic100_mir ranks captions" in printed and "left out: vlnqa: none of ['vlnqa.json']" in printed
    recorded = json.loads(leaderboard.read_text())
    assert list(recorded) == ["older", "tiny", "tiny, prompt first_person"]
    assert recorded["tiny"]["scores"] == {"egoschema": ENTRY}
    asked = {"form": None, "frames": 0, "limit": None, "max_new_tokens": None, "judge": None, "level": "plain"}
    asked |= {"sentence_model": None}
    assert recorded["tiny"]["asked"] == asked
    client = tracking.store.client()
    [other, logged] = client.search_runs([client.get_experiment_by_name(tracking.experiment.EXPERIMENT).experiment_id])
    assert (logged.data.tags["prompt_level"], other.data.tags["prompt_level"]) == ("plain", "first_person")
    assert other.data.metrics["egoschema/accuracy"] == 0.625
    assert logged.data.tags["benchmark"] == "egoschema" and logged.info.status == "FINISHED"
    assert logged.data.metrics == {
        "egoschema/accuracy": 0.5, "egoschema/accuracy.blind": 0.25, "egoschema/accuracy.chance": 0.2,
        "egoschema/accuracy.constant": 0.3, "egoschema/accuracy.text_guess": 0.4,
    }  # fmt: skip
    kept = {Path(each.path).name for each in client.list_artifacts(logged.info.run_id, "evaluation")}
    assert kept == {*benchmark.FILES, "metrics.json"}
    with pytest.raises(SystemExit):
        called(monkeypatch, *words)
    assert [run.info.status for run in client.search_runs([logged.info.experiment_id])] == [
        "FAILED",
        "FINISHED",
        "FINISHED",
    ]


@pytest.mark.parametrize(
    "words, refusal",
    [
        (["--benchmarks", "egoschema,nothing"], "benchmarks ['nothing'] came, allowed are"),
        (["--benchmarks", "egoschema"], "name a --checkpoint, or --dry-run"),
        (["--checkpoint", "nowhere", "--frames", "0"], "holds no whole model; allowed are"),
        (["--checkpoint", "nowhere", "--benchmarks", "egoschema"], "can be asked: {'film_missing': 10"),
        (["--checkpoint", "nowhere", "--benchmarks", "epic100_mir"], "no answer of a checkpoint is such a ranking"),
        (["--checkpoint", "nowhere", "--record", "a", "--limit", "5"], "a leaderboard shows scores of all samples"),
        (["--frames", "-1"], "'-1' came, allowed are whole numbers from 0 on"),
        (["--limit", "0"], "'0' came, allowed are whole numbers from 1 on"),
    ],
)
def test_what_cannot_be_run_is_refused(words, refusal, files, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        called(monkeypatch, "--root", str(files), *words)
    assert end.value.code == 2 and refusal in capsys.readouterr().err
