"""Charades-Ego's release over films of the world: a checkpoint answers it by the command line, killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from components import params, records, tracking
from components.benchmarks.runner.rows import ROW
from components.data.frames.step import contract_of
from components.train import checkpoints
from components.world import charades_ego, films
from components.world.plan import WorldPlan, plan_takes
from docs import benchmark_tables

ROOT = Path(__file__).parents[3]
# ends like a machine that loses its power, as soon as the first answers are kept
KILLED = """
import os, signal
from components.evaluation.journal import Journal
from flows import benchmark
write = Journal.write
def and_die(*given, **named):
    write(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
Journal.write = and_die
benchmark.main()
"""


@pytest.fixture
def project(model, processor, tmp_path) -> Path:
    """A folder with parameters, a fresh checkpoint, and the test split of the release with its films."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results/benchmarks.json", tmp_path / "results")
    (tmp_path / "results/leaderboard.json").write_text("{}")
    takes = plan_takes(7, takes=4, take_s=16.0, val_fraction=0.25, test_fraction=0.0)
    release = tmp_path / "raw/charades_ego"
    written = charades_ego.write(release, WorldPlan(7, takes, fps=8, size_px=64))
    for film in written[-2:]:  # the last script, acted out twice, is the test split
        films.make(film, size_px=64)
    data = params.load(ROOT / "params/data.yaml", params.Data)
    stage = {"params": {"guidance": False, "reasoned": False}, "frames_contract": contract_of(data.frames)["digest"]}
    checkpoints.save(model, processor, tmp_path / "checkpoints/stage1-k", stage)
    return tmp_path


def answer(project: Path, *program: str) -> subprocess.CompletedProcess[str]:
    words = "--checkpoint checkpoints/stage1-k --benchmarks charades_ego --root raw --max-new-tokens 4 --record tiny"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db"}
    command = [sys.executable, *program, *words.split()]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=600)


def answered(project: Path) -> list[tuple]:
    files = (project / "checkpoints/stage1-k/benchmarks").rglob("*.jsonl")
    return [tuple(json.loads(line)["item"]) for file in files for line in file.read_text().splitlines()]


@pytest.mark.long
def test_a_killed_run_goes_on_to_scores_in_mlflow_and_on_the_leaderboard(project, monkeypatch):
    assert answer(project, "-c", KILLED).returncode == -signal.SIGKILL
    kept = answered(project)
    told = answer(project, "-m", "flows.benchmark")
    assert told.returncode == 0, told.stderr
    made = answered(project)
    assert made[: len(kept)] == kept and 0 < len(kept) < len(made) == len(set(made)), "an item was computed twice"
    folder = project / "checkpoints/stage1-k/benchmarks/charades_ego/letter"
    assert records.read_table(folder / "rejects.parquet", records.REJECT).num_rows == 0
    rows = records.read_table(folder / "predictions.parquet", ROW).to_pylist()
    asked = Counter(row["condition"] for row in rows if (row["parser"], row["score_name"]) == ("strict", "accuracy"))
    scores = json.loads((folder / "metrics.json").read_text())
    entry = scores["charades_ego/accuracy"]
    assert set(asked) == {"model", "text_only"} and set(asked.values()) == {entry["n"]} == {len(made) // 2}
    assert {row["view"] for row in rows} == {"ego", "exo"} and entry["chance"] == pytest.approx(0.2)
    assert {"charades_ego/subset ego/accuracy", "charades_ego/subset exo/accuracy"} <= scores.keys()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    client = tracking.store.client()
    runs = client.search_runs([client.get_experiment_by_name(tracking.experiment.EXPERIMENT).experiment_id])
    [logged] = [run for run in runs if run.info.status == "FINISHED"]
    assert logged.data.metrics["charades_ego/accuracy"] == entry["value"]
    monkeypatch.setattr(benchmark_tables, "RESULTS", project / "results")
    head, *page = benchmark_tables.leaderboard().splitlines()
    [line] = [line for line in page if line.startswith("| Charades-Ego |")]
    assert "tiny (prescribed options, prescribed frames, 4 answer tokens at most" in head
    assert line.split("|")[-2].strip() == benchmark_tables.figure(entry)
