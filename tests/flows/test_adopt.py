"""A checkpoint stands for a stage whose key has changed, when a person says so; MLflow is real."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import tracking
from components.train import plan, versions
from flows import adopt, data, tasks, train
from tests.flows import stand_in


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose stage `text` was trained, and whose code changed since, and a version."""
    root = stand_in.make(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch, disable_run_logger():
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        job = tasks.open_job(stand_in.RECIPE, dataset=None)
        parent = tracking.open_pipeline_run("p", tags={})
        text = next(stage for stage in job.recipe.stages if stage.name == "text")
        train.train_stage(job, text, parent, lambda: None)
        with (root / "components/train/__main__.py").open("a") as file:
            file.write("# another comment\n")
        patch.setitem(versions.VERSIONS, "text", {1: "", 2: "for a test"})
        yield root


@pytest.fixture
def old(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made / 'mlflow.db'}")
    monkeypatch.setattr(data, "stale", lambda: ["frames"])
    finished = [path.parent for path in made.glob("checkpoints/text-*/stage.json")]
    [folder] = [path for path in finished if "adopted" not in json.loads((path / plan.FINISHED).read_text())]
    return folder


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("texts", r"no stage 'texts', allowed are \["),
        ("first", "before the data is made"),
        ("images", "has the algorithm text, 'images' has contrastive"),
    ],
)
def test_what_cannot_stand_for_a_stage_is_refused(old: Path, stage: str, told: str):
    with pytest.raises(ValueError, match=told):
        adopt.adopt(old, stage, "for a test")


def test_a_checkpoint_that_is_not_finished_is_refused(old: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="only a finished checkpoint"):
        adopt.adopt(tmp_path, "text", "for a test")


def test_a_checkpoint_of_another_model_is_refused(old: Path, tmp_path: Path):
    other = shutil.copytree(old, tmp_path / "other")
    made = json.loads((old / plan.FINISHED).read_text()) | {"model": {"text_width": 4096}}
    (other / plan.FINISHED).write_text(json.dumps(made))
    with pytest.raises(ValueError, match="has the model .*4096"):
        adopt.adopt(other, "text", "for a test")


def test_a_damaged_checkpoint_is_refused(old: Path, tmp_path: Path):
    other = shutil.copytree(old, tmp_path / "other")
    (other / "history.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="history.jsonl has 3 bytes"):
        adopt.adopt(other, "text", "for a test")


def test_a_stage_that_is_begun_is_left_alone(old: Path):
    folder = tasks.open_job(stand_in.RECIPE, dataset=None).checkpoint("text")
    (folder / "trainer").mkdir(parents=True)
    with pytest.raises(ValueError, match="is begun"):
        adopt.adopt(old, "text", "for a test")
    (folder / "trainer").rmdir()
    folder.rmdir()


def test_an_adopted_checkpoint_is_reused_and_says_why(old: Path, monkeypatch, capsys):
    before = json.loads((old / plan.FINISHED).read_text())
    monkeypatch.setattr(sys, "argv", ["adopt", str(old), "--for", "text", "--why", "a comment changed"])
    assert adopt.main() == 0
    told = capsys.readouterr().out
    assert "version of text: was 1, is 2" in told and "code_digest: was" in told
    job = tasks.open_job(stand_in.RECIPE, dataset=None)
    folder = job.checkpoint("text")
    made = json.loads((folder / plan.FINISHED).read_text())
    assert made["adopted"]["why"] == "a comment changed" and made["stage_key"] == job.keys["text"]
    assert made["started_s"] == before["started_s"], "what it was made from stays on record"
    text = next(stage for stage in job.recipe.stages if stage.name == "text")
    with disable_run_logger():
        reused = train.train_stage(job, text, tracking.open_pipeline_run("p", tags={}), lambda: None)
    assert (reused.how, reused.checkpoint) == ("reused", folder)
    tags = tracking.describe(reused.run_id).tags
    assert tags["adopted"] == "a comment changed" and tags["code_digest"] == before["code_digest"] != job.code
    assert made["versions"] == before["versions"], "what it was made by stays on record"
    monkeypatch.setenv("COLUMNS", "1000")  # the panel would fold the sentence
    assert adopt.main() == 1 and "finished already" in capsys.readouterr().err
