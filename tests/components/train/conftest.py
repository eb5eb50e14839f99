"""The default recipe at a size of seconds, and real training processes on a tiny dataset."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import params, tracking
from components.models import build, checkpoint_files
from components.train import algorithms, interpreter, launch_command, plan
from flows import levels, supervisor
from tests.components.train.survival import forked

ROOT = Path(__file__).parents[3]
SMALL_MODEL = {
    "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "image_tokens": 16, "mapping_blocks": 1,
    "text_width": 32, "text_layers": 2, "text_heads": 2,
}  # fmt: skip
SMALL_STAGE = {"max_steps": 2, "train_batch_size": 4, "save_steps": 1, "warmup_ratio": 0.0, "threads_per_rank": 1}

CHANGES = {
    # what a killed run is compared with; with Muon, so that its momentum must come back too
    "stage3": {"max_steps": 6, "save_steps": 2, "muon_learning_rate": 0.01},
    # a policy that never meets the format has no gradient at its first step: decay moves what the optimiser holds
    "grpo": {"weight_decay": 0.1},
}


def shrunk_recipe(path: Path, changes: Callable[[dict], dict] = lambda stage: {}) -> params.Recipe:
    """Write the default recipe, shrunk, to `path`; `changes` gives further values of a stage."""
    recipe = YAML(typ="safe").load((ROOT / "params/recipes/miniature.yaml").read_text())
    recipe["model"] |= SMALL_MODEL
    for stage in recipe["stages"]:
        stage |= SMALL_STAGE
        if stage["algorithm"] == "contrastive":
            stage["rendered_images"] = 8
        if stage["algorithm"] == "text":
            stage["stop_at_score"] = None
        if "lora" in stage:
            stage["lora"] |= {"r": 4, "lora_alpha": 8}
        if "grpo" in stage:
            stage["grpo"] |= {"num_generations": 2, "max_completion_length": 6}
        stage |= changes(stage)
    with path.open("w") as file:
        YAML().dump(recipe, file)
    return params.load(path, params.Recipe)


def write_fresh(folder: Path, model: params.Model, stage: str = "sft") -> Path:
    """Write a checkpoint that has every part as seed 0 makes it, so that any stage can start from it; return it.

    Args:
        folder: to write.
        model: block of the recipe.
        stage: supervised; a stage whose parent `all` is this one takes it.
    """
    processor = algorithms.fresh_processor(model, params.load(ROOT / "params/data.yaml", params.Data))
    build.assemble(build.config_of(processor), {}, seed=0).save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    record = dict.fromkeys(checkpoint_files.MEMBERS) | {"stage": stage, "params": {"algorithm": "supervised"}}
    checkpoint_files.finish(folder, record)
    return folder


def copy_for(stage: str, fresh: Path, folder: Path) -> Path:
    """Copy what `write_fresh` wrote as the checkpoint of another stage; return it."""
    shutil.copytree(fresh, folder)
    checkpoint_files.finish(folder, json.loads((fresh / checkpoint_files.RECORD).read_text()) | {"stage": stage})
    return folder


@dataclass(frozen=True)
class Workshop:
    """Where training processes run: `folder` takes recipes, checkpoints, logs and the MLflow database."""

    folder: Path
    data: Path
    pipeline_run_id: str
    tracking_uri: str
    warm_python: Path

    def open_run(self, stage: str) -> str:
        return tracking.open_stage_run(self.pipeline_run_id, stage, params={}, tags={}, dataset_digest=None)

    def train(
        self, recipe: Path, stage: params.Stage, parents: dict[str, Path], output: Path, run_id: str, *, warm: bool
    ) -> None:
        """Train a stage as the flow does: launcher, environment, watchdog; `warm` in a Python that starts at once."""
        with pytest.MonkeyPatch.context() as patch:
            if warm:
                patch.setenv(interpreter.VARIABLE, str(self.warm_python))
            command = launch_command.command(
                recipe=recipe, stage=stage.name, ranks=stage.ranks, parents=parents, data=self.data, output=output,
                run_id=run_id, provenance={"stage_key": "k"},
            )  # fmt: skip
        environment = launch_command.environment(ROOT, threads=stage.threads_per_rank)
        supervisor.supervise(command, environment, log_path=output.with_suffix(".log"), timeout_s=850, cwd=ROOT)

    def fork(self, recipe: Path, stage: params.Stage, parents: dict[str, Path], output: Path, run_id: str) -> None:
        """Train a stage to its end without launcher and watchdog, in processes that need not import everything."""
        words = launch_command.arguments(
            recipe=recipe, stage=stage.name, parents=parents, data=self.data, output=output, run_id=run_id,
            provenance={"stage_key": "k"},
        )  # fmt: skip
        log = output.with_suffix(".log")
        codes = forked.run(words, log=log, ranks=stage.ranks, env={"MLFLOW_TRACKING_URI": self.tracking_uri})
        assert codes == [0] * stage.ranks and plan.is_finished(output), log.read_text()[-3000:]


@pytest.fixture(scope="module")
def workshop(tiny_data, warm_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    tracking_uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        pipeline_run_id = tracking.open_pipeline_run("tiny", tags={})
        yield Workshop(folder, tiny_data, pipeline_run_id, tracking_uri, warm_python)


@pytest.fixture(scope="module")
def chain(workshop) -> dict[str, Path]:
    """Stage name to checkpoint: every stage of the shrunk recipe, trained in the order of the flow."""
    path = workshop.folder / "recipe.yaml"
    recipe = shrunk_recipe(path, lambda stage: CHANGES.get(stage["name"], {}))
    done = {stage.name: workshop.folder / stage.name for stage in recipe.stages}
    runs = {stage.name: workshop.open_run(stage.name) for stage in recipe.stages}

    def train(stage: params.Stage) -> None:
        parents = {part: done[parent] for part, parent in stage.parents.items()}
        workshop.fork(path, stage, parents, done[stage.name], runs[stage.name])

    with ThreadPoolExecutor() as pool:
        for level in levels.of_stages(recipe.stages, threads=2, gpus=0):
            list(pool.map(train, level))
    return done
