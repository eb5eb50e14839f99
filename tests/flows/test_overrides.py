"""Overrides of the command line from the flow to the training process, its checkpoint and MLflow."""

import json
from pathlib import Path

from prefect.logging import disable_run_logger

from components import tracking
from flows import tasks, train
from tests.flows import stand_in


def test_overrides_reach_the_training_process_and_give_the_keys_of_a_file(tmp_path: Path, monkeypatch):
    made = stand_in.make(tmp_path)
    monkeypatch.chdir(made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made / 'mlflow.db'}")
    job = tasks.open_job(stand_in.RECIPE, dataset="d" * 64)
    words = ["stages.text.weight_decay=0.25", "stages.text.learning_rates={language_model: 1e-5}"]
    changed = tasks.open_job(stand_in.RECIPE, words, dataset=job.dataset)
    assert changed.keys["text"] != job.keys["text"] and changed.keys["images"] == job.keys["images"]
    text, *others = stand_in.STAGES
    text = {**text, "weight_decay": 0.25, "learning_rates": {"language_model": 1e-5}}
    file = stand_in.recipe(made, "params/recipes/said.yaml", [text, *others])
    said = tasks.open_job(file, dataset=job.dataset)
    assert said.keys == changed.keys

    with tasks.pipeline_run("pipeline", changed) as parent, disable_run_logger():
        trained = train.train_stage(changed, changed.recipe.stages[0], parent, lambda: None)
        again = train.train_stage(said, said.recipe.stages[0], parent, lambda: None)
    kept = json.loads((trained.checkpoint / "stage.json").read_text())
    assert (kept["params"]["weight_decay"], kept["params"]["learning_rates"]) == (0.25, {"language_model": 1e-5})
    assert (kept["recipe_file"], kept["overrides"]) == (stand_in.RECIPE, " ".join(words))
    for run_id in (parent, trained.run_id):
        assert tracking.describe(run_id).tags["overrides"] == " ".join(words)
    assert (trained.how, again.how) == ("ran", "reused")
