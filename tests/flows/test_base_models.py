"""A shipped base model stands for a stage that asks for what it was made from, and for no other; MLflow is real."""

import json
from pathlib import Path

import pytest
import torch
from prefect.logging import disable_run_logger
from safetensors.torch import load_file, save_file

from components import tracking
from components.models import checkpoint_files
from components.train import plan, shipped, trained_parts, versions
from flows import base_models, tasks, train
from flows.tasks import Job
from tests.flows import stand_in

WEIGHTS = {f"model.{part}.weight": torch.ones(2) for part in ("language_model", "ego_encoder", "exo_encoder")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ships what its stage `text` learned, and has forgotten the checkpoint itself."""
    root = stand_in.make(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch, disable_run_logger():
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        job = tasks.open_job(stand_in.RECIPE, dataset=None)
        trained = train.train_stage(job, stage(job, "text"), tracking.open_pipeline_run("p", tags={}), lambda: None)
        made = json.loads((trained.checkpoint / plan.FINISHED).read_text())
        made |= {"stage": "text", "model": job.recipe.model.model_dump(mode="json"), "trained": {"language_model": 2}}
        save_file(WEIGHTS, trained.checkpoint / "model" / "model.safetensors", metadata={"format": "pt"})
        checkpoint_files.finish(trained.checkpoint, made)
        folder = root / shipped.FOLDER / "text"
        trained_parts.keep(trained.checkpoint, folder, shipped.world(root))
        trained.checkpoint.rename(root / "forgotten")
        with (root / "components/train/__main__.py").open("a") as file:
            file.write("# another comment\n")
    return root


@pytest.fixture
def job(project: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    return tasks.open_job(stand_in.RECIPE, dataset=None)


def stage(job: Job, name: str, **changes):
    return next(one for one in job.recipe.stages if one.name == name).model_copy(update=changes)


def test_what_is_shipped_has_the_trained_parts_alone(project: Path):
    kept = load_file(project / shipped.FOLDER / "text" / "model" / "model.safetensors")
    assert list(kept) == ["model.language_model.weight"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [("text", {"max_steps": 2}), ("text", {"seed": 5}), ("images", {}), ("text", {"algorithm": "supervised"})],
)
def test_a_stage_that_asks_for_another_is_trained(job: Job, name: str, changes: dict):
    assert base_models.place(job, stage(job, name, **changes)) is None
    assert not job.checkpoint(name).exists()


def test_another_world_needs_another_model(job: Job, project: Path, monkeypatch):
    monkeypatch.setattr(shipped, "world", lambda root: {"render_px": 7})
    made = json.loads((project / shipped.FOLDER / "text" / plan.FINISHED).read_text())
    assert shipped.unlike(made, job.recipe, stage(job, "text"), {"render_px": 7}) == ["world"]
    assert base_models.place(job, stage(job, "text")) is None


def test_another_version_needs_another_model(job: Job, monkeypatch):
    monkeypatch.setitem(versions.VERSIONS, "text", {1: "", 2: "for a test"})
    raised = tasks.open_job(stand_in.RECIPE, dataset=None)
    assert base_models.place(raised, stage(raised, "text")) is None


def test_a_stage_that_is_begun_goes_on(job: Job):
    job.checkpoint("text").mkdir(parents=True)
    assert base_models.place(job, stage(job, "text")) is None
    job.checkpoint("text").rmdir()


def test_a_shipped_model_stands_for_its_stage_and_says_so(job: Job):
    assert base_models.place(job, stage(job, "text", timeout_minutes=7)) == shipped.WHY
    made = json.loads((job.checkpoint("text") / plan.FINISHED).read_text())
    assert made["stage_key"] == job.keys["text"]
    assert list(made["adopted"]["differs"]) == ["code_digest"]
    with disable_run_logger():
        parent = tracking.open_pipeline_run("p", tags={})
        (job.checkpoint("text") / plan.FINISHED).unlink()
        job.checkpoint("text").rename(job.root / "placed")
        stands = train.train_stage(job, stage(job, "text"), parent, lambda: None)
        nested = tasks.nest(stands, parent)
    assert (stands.how, nested.nested_run_id) == ("shipped", stands.run_id)
    tags = tracking.describe(stands.run_id).tags
    assert tags["adopted"] == shipped.WHY
    assert tags["code_digest"] == made["code_digest"] != job.code, "it was other code that trained it"


def test_an_adopted_copy_is_not_shipped(job: Job, project: Path):
    made = dict.fromkeys(checkpoint_files.MEMBERS, {}) | {"adopted": {"why": "for a test"}}
    folder = job.checkpoint("images")
    folder.mkdir(parents=True)
    checkpoint_files.finish(folder, made)
    with pytest.raises(ValueError, match="is itself a copy"):
        trained_parts.keep(folder, project / "elsewhere", {})
