"""Whether a pipeline run would only repeat the last one, in a stand-in project; MLflow is real, DVC answers by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import tracking
from components.models.checkpoint_files import DamagedError
from components.tracking.store import client
from flows import data_graph, evaluate, jobs, promote, tasks, train, unchanged
from tests.flows import stand_in

pytestmark = pytest.mark.slow
DATASET = "9" * 60


@pytest.fixture(scope="module")
def finished(project: Path) -> str:
    """Run what the pipeline runs, with a page by hand; give the id of its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
        (project / "dvc.yaml").write_text("stages: {}\n")
        job = tasks.open_job(stand_in.RECIPE, dataset=DATASET)
        with disable_run_logger(), tasks.pipeline_run("pipeline", job) as run_id, tasks.stopping() as stop:
            tracking.set_tags(run_id, {"source_digest": jobs.source_digest(project)})
            done = [train.train_stage(job, stage, run_id, stop) for stage in job.recipe.stages]
            for stage in done[2:]:
                evaluate.evaluate_stage(job, stage, run_id, stop, threads=1)
            assert promote.promote_stage(job, done[-1], stop).promoted
        page = project / "reports" / run_id / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("the page")
        return run_id


@pytest.fixture
def stale(finished: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What DVC would answer; the digest of the data is that of the finished run."""
    answer: list[str] = []
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    monkeypatch.setattr(data_graph, "digest", lambda: DATASET)
    monkeypatch.setattr(data_graph, "stage_names", lambda _: ["world"])
    monkeypatch.setattr(data_graph, "stale", lambda: answer)
    return answer


def edit(path: Path) -> Callable[[], None]:
    """Add a line to a file; give what takes it away again."""
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    return lambda: path.write_bytes(before)


def put_away(path: Path) -> Callable[[], None]:
    """Rename a file or folder; give what names it back."""
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    return lambda: away.rename(path) and None


def test_where_nothing_changed_the_last_run_is_told(finished: str, stale: list[str], capsys):
    unchanged.is_shown.cache_clear()
    before = len(client().search_runs(["1"]))
    assert unchanged.is_shown(stand_in.RECIPE)
    told = capsys.readouterr().out
    assert f"pipeline run {finished}" in told and "0 stages ran, 5 reused" in told
    assert "nothing changed since that run; version 1 is the champion" in " ".join(told.split())
    assert f"reports/{finished}/index.html" in told
    assert len(client().search_runs(["1"])) == before


@pytest.mark.parametrize(
    "path",
    ["flows/shown.py", "components/evaluation/serving.py", "params/data.yaml", "params/recipes/egovlm.yaml"],
)
def test_a_change_of_any_code_or_parameters_is_for_the_flow(project: Path, stale: list[str], path: str):
    undo = edit(project / path)
    assert unchanged.standing_run(stand_in.RECIPE) is None
    undo()
    assert unchanged.standing_run(stand_in.RECIPE) is not None


@pytest.mark.parametrize("what", ["reports/*/index.html", "checkpoints/text-*", "checkpoints/*/evaluation/key.txt"])
def test_what_is_gone_is_for_the_flow(project: Path, stale: list[str], what: str):
    undo = put_away(next(iter(sorted(project.glob(what)))))
    assert unchanged.standing_run(stand_in.RECIPE) is None
    undo()
    assert unchanged.standing_run(stand_in.RECIPE) is not None


def test_stale_data_other_data_and_other_overrides_are_for_the_flow(stale: list[str], monkeypatch):
    assert unchanged.standing_run(stand_in.RECIPE, ("stages.second.weight_decay=0.1",)) is None
    stale.append("world")
    assert unchanged.standing_run(stand_in.RECIPE) is None
    stale.clear()
    monkeypatch.setattr(data_graph, "digest", lambda: "8" * 60)
    assert unchanged.standing_run(stand_in.RECIPE) is None


def test_without_its_champion_or_its_run_the_flow_decides(finished: str, stale: list[str]):
    client().delete_registered_model_alias("egoflow", "champion")
    assert unchanged.standing_run(stand_in.RECIPE) is None
    client().set_registered_model_alias("egoflow", "champion", "1")
    known = unchanged.standing_run(stand_in.RECIPE)
    assert known and known.run_id == finished and known.champion == "1"
    client().delete_run(known.stages[0].run_id)
    assert unchanged.standing_run(stand_in.RECIPE) is None
    client().restore_run(known.stages[0].run_id)


def test_checkpoints_that_are_kept_elsewhere_too_are_for_the_flow(stale: list[str], monkeypatch, tmp_path: Path):
    monkeypatch.setenv("EGOFLOW_STORAGE", tmp_path.as_uri())
    assert unchanged.standing_run(stand_in.RECIPE) is None


def test_a_damaged_checkpoint_is_told_and_not_passed_over(project: Path, stale: list[str]):
    undo = edit(next(project.glob("checkpoints/text-*/model/config.json")))
    with pytest.raises(DamagedError):
        unchanged.standing_run(stand_in.RECIPE)
    undo()


def test_a_stage_without_evaluation_needs_none(finished: str, stale: list[str]):
    standing = unchanged.standing_run(stand_in.RECIPE)
    assert standing and [stage.name for stage in standing.stages] == ["text", "images", "first", "second"]
    assert standing == replace(standing, run_id=finished)
