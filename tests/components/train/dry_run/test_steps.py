"""The plan of a recipe has the steps that its training makes, and counts the samples that it shows."""

import io
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from components import params
from components.data.frames.store import FrameStore
from components.train import algorithms
from components.train.dry_run import report
from components.train.dry_run.stage_budget import steps_of
from components.train.plan import WITHOUT_DATASET
from tests.components.train.dry_run.test_report import A100, RECIPES

# what the tiny world writes in the place of the parts that only real releases have
HERE = {
    "web/caption/exo": "egoexoclip/caption/exo",
    "egoclip/caption/ego": "egoexoclip/caption/ego",
    "general/caption/exo": "egoit/caption/exo",
    "general/qa/exo": "egoexoclip/caption/exo",
    "distilled/caption/exo": "egoexoclip/caption/exo",  # a stage before writes them
}
LOADED = {path.stem: params.load(path, params.Recipe) for path in RECIPES}
STAGES = [
    pytest.param(recipe, stage, id=f"{name}-{stage.name}")
    for name, recipe in LOADED.items()
    for stage in recipe.stages
    if stage.algorithm not in WITHOUT_DATASET and stage.distill is None  # which takes no optimiser steps
]


def on_tiny_data(stage: params.Stage, **changes) -> params.Stage:
    """A stage whose mixture the tiny world has, in batches that need more than one step of it."""
    mixture = {HERE.get(part, part): share for part, share in stage.mixture.items()}
    return stage.model_copy(update={"mixture": mixture, "parents": {}, "train_batch_size": 4, **changes})


def shown_samples(stage: params.Stage, data_dir: Path) -> int:
    """Count in the table what an epoch shows: training samples of the mixture with frames, or their pairs."""
    table = pq.read_table(data_dir / "dataset/samples.parquet").to_pandas()
    table = table[(table["split"] == "train") & FrameStore(data_dir / "frames").holds(table["sample_id"])]
    table = table[(table["corpus"] + "/" + table["task"] + "/" + table["view"]).isin(stage.mixture)]
    views = table["paired"].map(len)
    if stage.exo_views == "each":
        return int(views.sum())
    return int((views > 0).sum()) if stage.compares_views else len(views)


@pytest.mark.parametrize(("recipe", "stage"), STAGES)
@pytest.mark.parametrize("length", [{"max_steps": 7, "num_train_epochs": None}, {"max_steps": None}], ids=str)
def test_the_plan_has_the_steps_of_the_trainer(recipe, stage, length, tiny_data, tiny_world):
    epochs = stage.num_train_epochs or 1.5
    stage = on_tiny_data(stage, **{"num_train_epochs": epochs, "max_pixels": 3136} | length)
    planned, parts, problems = report.counted(
        recipe.model_copy(update={"stages": (stage,)}), tiny_world.params, tiny_data
    )
    assert not problems
    dataset = algorithms.samples(stage, tiny_world.params, tiny_data, recipe.model)
    trained = algorithms.counted(stage, dataset)  # what trainer_factory gives the trainer
    assert steps_of(planned[0]) == trained.max_steps == len(dataset) / dataset.batch == dataset.steps
    samples = sum(part.samples for part in parts[stage.name])
    if stage.max_steps:
        assert trained.max_steps == 7
    elif stage.questions_per_context == 1:
        # as many as the tables have; and where the data is not here, the same number of samples makes the same steps
        assert trained.max_steps == math.ceil(round(epochs * samples / 4, 6))
        assert steps_of(stage.model_copy(update={"dataset_samples": samples})) == trained.max_steps
        assert samples == shown_samples(stage, tiny_data)


def test_the_plan_tells_how_often_a_part_comes_again(tiny_data, tiny_world):
    recipe = LOADED["egothinker"]
    rft = on_tiny_data(recipe.stages[1], parents={}, num_train_epochs=2)
    shortened = recipe.model_copy(update={"stages": (rft,)})
    console = Console(file=io.StringIO(), width=200)
    problems = report.run(shortened, tiny_world.params, A100, console, tiny_data)
    [line] = [line for line in console.file.getvalue().splitlines() if "egore/ground_spatial/ego" in line]
    _, parts, _ = report.counted(shortened, tiny_world.params, tiny_data)
    part = next(part for part in parts["grpo"] if part.name == "egore/ground_spatial/ego")
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    times = part.shown / part.samples
    assert cells[2:] == [
        "15.0%", f"{part.samples}", f"{part.shown}", f"{times:.2f}", f"{times / 2:.2f}", f"{part.repeated:.1%}",
    ]  # fmt: skip
    assert [why for why in problems if "a second time" in why] == []
    crowded = shortened.model_copy(update={"stages": (rft.model_copy(update={"train_batch_size": 64}),)})
    _, _, problems = report.counted(crowded, tiny_world.params, tiny_data)
    assert "'grpo': prompts that stand in their batch a second time" in problems[0]
    assert "egore/ground_temporal/ego (of which the data has" in problems[0]


def test_without_samples_and_their_number_the_plan_says_what_the_data_lacks(tiny_data, tiny_world):
    init_exo = LOADED["exo2ego"].stages[0].model_copy(update={"dataset_samples": None})
    recipe = LOADED["exo2ego"].model_copy(update={"stages": (init_exo,)})
    with pytest.raises(ValueError, match=r"stage 'init_exo': mixture names \['web/caption/exo'\]"):
        report.run(recipe, tiny_world.params, A100, Console(file=io.StringIO()), tiny_data)


def test_a_plan_names_what_the_data_does_not_have(tiny_data, tiny_world):
    stages, parts, problems = report.counted(LOADED["exo2ego"], tiny_world.params, tiny_data)
    assert [stage.max_steps for stage in stages[:2]] == [None, None] and "init_exo" not in parts
    assert "stage 'init_exo': mixture names ['web/caption/exo']" in problems[0]
