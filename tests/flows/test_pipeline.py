"""`python -m flows.pipeline` without any server, in a stand-in project with real DVC, MLflow and Prefect."""

import contextlib
import re
import sqlite3
import uuid
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.flows import stand_in
from tests.processes import addresses

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def rows(printed: str) -> dict[str, list[str]]:
    """Give stage -> the other cells of its row in a printed table."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    return {row[1]: [row[0], *row[2:]] for row in cells if len(row) > 2}


def test_a_last_stage_that_the_gate_cannot_judge_is_refused_before_anything_runs(project: Path):
    stages = [*stand_in.STAGES[:-1], {**stand_in.STAGES[-1], "evaluate": ["qa", "caption_ego"]}]
    recipe = stand_in.recipe(project, "params/recipes/unmeasured.yaml", stages)
    done = stand_in.python(project, "-m", "flows.pipeline", "--recipe", recipe)
    assert done.returncode == 1 and "stopped by ValueError" in done.stderr
    told = " ".join(done.stderr.replace("│", " ").split())
    for metric in ("ground_spatial/miou", "ground_temporal/miou"):
        assert f"of params/eval.yaml compares {metric}, the last stage is not evaluated in that" in told
    assert "stage 'second', `evaluate`" in told and "Mend it in params/recipes/unmeasured.yaml" in told
    assert not (project / "checkpoints").exists() and not (project / "data").exists()


def test_every_mistake_of_a_recipe_comes_at_once_and_none_as_a_traceback(project: Path):
    wrong = {**stand_in.STAGES[-1], "learning_rates": {"tower": 0.1}, "mixture": {"egore/qa/egoo": 1.0}, "ranks": 7}
    recipe = stand_in.recipe(project, "params/recipes/wrong.yaml", [*stand_in.STAGES[:-1], wrong])
    done = stand_in.python(project, "-m", "flows.pipeline", "--recipe", recipe, "--dry-run")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("stopped by ValueError") == 1
    for key in ("learning_rates.tower", "mixture.egore/qa/egoo", "train_batch_size"):
        assert f"`{key}`" in done.stderr


def check_first_sight(project: Path) -> None:
    """Look at what MLflow and Prefect show of the only pipeline run that finished so far."""
    store = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = store.get_experiment_by_name("egoflow").experiment_id
    [run] = store.search_runs([experiment], "tags.kind = 'pipeline' and attributes.status = 'FINISHED'")
    assert run.data.metrics["qa/accuracy"] == 0.9 and run.data.metrics["qa/accuracy.guesser"] == 0.2
    assert run.data.params["stages.second.max_steps"] == "1" and "model.text_width" in run.data.params
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["dataset_digest"][:36]
    assert [file.path for file in store.list_artifacts(run.info.run_id, "report")] == ["report/index.html"]
    [second] = store.search_runs([experiment], "tags.stage = 'second' and attributes.status = 'FINISHED'")
    kept = {file.path for file in store.list_artifacts(second.info.run_id, "evaluation")}
    assert "evaluation/predictions.parquet" in kept
    with contextlib.closing(sqlite3.connect(project / ".prefect" / "prefect.db")) as prefect:
        names = [name for (name,) in prefect.execute("select name from flow_run")]
        artifacts = dict(prefect.execute("select key, data from artifact where key is not null"))
        tasks = prefect.execute("select id, name, task_inputs from task_run").fetchall()
    assert all(re.fullmatch(r"pipeline miniature \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", name) for name in names), names
    assert "is the champion now" in artifacts["decision"] and "index.html" in artifacts["report"]
    named = {str(uuid.UUID(one)): name for one, name, _ in tasks}
    edges = {name: {named[one] for one in re.findall(r'"id": ?"([^"]+)"', inputs)} for _, name, inputs in tasks}
    assert edges == {
        **dict.fromkeys(("train text", "train images", "data world", "data dataset", "data frames", "profile"), set()),
        "train first": {"train text", "train images"},
        "train second": {"train first"},
        "evaluate first": {"train first"},
        "evaluate second": {"train second"},
        "promote": {"evaluate second"},
        "report": {"train text", "train images", "evaluate first", "evaluate second", "promote"},
    }
    assert all(f'"{stage}' in artifacts["stages"].replace("\\", "") for stage in ("frames", "first", "second"))


def test_pipeline_runs_and_says_what_it_would_reuse(project: Path):
    def plan() -> dict[str, str]:
        done = stand_in.python(project, "-m", "flows.pipeline", "--dry-run")
        assert done.returncode == 0, done.stderr
        return {name: row[1] for name, row in rows(done.stdout).items()}

    stale = "runs: the data is stale"
    names = ("world", "dataset", "frames", "text", "images", "first", "second")
    assert plan() == {
        **dict.fromkeys(("world", "dataset", "frames", "text", "images"), "runs"),
        **dict.fromkeys(("first", "second"), stale),
    }
    assert not (project / "checkpoints").exists() and not (project / "data").exists()

    (project / "fail").write_text("second")  # its first process fails; its retry does not
    with addresses(every_s=0.2) as seen:  # of ranks that train: tests/components/train/survival/test_listening.py
        done = stand_in.python(project, "-m", "flows.pipeline")
    assert done.returncode == 0, done.stderr[-3000:]
    assert seen == {"127.0.0.1"}, "Prefect's temporary server, and nothing beyond loopback"
    assert {name: row[1] for name, row in rows(done.stdout).items()} == dict.fromkeys(names, "ran")
    for word in (
        "is the champion now",
        "index.html",
        "mlflow ui --backend-store-uri sqlite:///",
        "workflowType=machine_learning",
        "prefect server start",
    ):
        assert word in done.stdout
    check_first_sight(project)
    # the base models trained at the same time, what needs them after both
    spans = stand_in.spans(project)
    assert max(spans["text"][0], spans["images"][0]) < min(spans["text"][1], spans["images"][1])
    assert spans["first"][0] > max(spans["text"][1], spans["images"][1]) and spans["second"][0] > spans["first"][1]

    fates = plan()
    assert [fates[name] for name in ("world", "dataset", "frames")] == ["up to date"] * 3
    assert all(fates[name].startswith("reused: run ") for name in ("text", "images", "first", "second"))

    done = stand_in.python(project, "-m", "flows.pipeline")
    assert done.returncode == 0 and "nothing changed since that run; version 1 is the champion" in done.stdout
    assert "0 stages ran, 7 reused" in done.stdout and "temporary server" not in done.stderr
    check_first_sight(project)  # no run beside the first

    (project / "seed.txt").write_text("2")
    fates = plan()
    assert fates["frames"] == "runs" and fates["first"] == stale and fates["text"].startswith("reused")

    done = stand_in.python(project, "-m", "flows.pipeline", "--dry-run", "--recipe", "no.yaml")
    assert done.returncode == 1
    assert "stopped by ValueError" in done.stderr and "'miniature'" in done.stderr


def test_code_that_changes_while_the_data_is_made_stops_the_run_and_is_named(project: Path):
    # a data step edits code, as a person might: what the base stages were made by is not what would train the others
    graph = (project / "dvc.yaml").read_text()
    edited = graph.replace("cmd: '!", "cmd: 'echo >> components/train/__main__.py && !")
    assert edited != graph
    (project / "dvc.yaml").write_text(edited)
    done = stand_in.python(project, "-m", "flows.pipeline")
    assert done.returncode == 1, done.stdout
    assert "stopped by ChangedMeanwhile" in done.stderr and "components/train/__main__.py changed" in done.stderr
    assert "Run it again" in done.stderr
