"""A checkpoint is measured once for all that its numbers depend on; MLflow is real, in the project's folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import params, tracking
from flows import evaluate, tasks
from flows.tasks import Job, TrainedStage
from tests.flows import stand_in
from tests.flows.one_stage import go


def measured(job: Job, outcome: TrainedStage) -> int:
    """Evaluate and give how often this checkpoint has been measured so far."""
    with disable_run_logger():
        evaluate.evaluate_stage(job, outcome, tracking.open_pipeline_run("p", tags={}), lambda: None, threads=1)
    log = (job.root / "evaluations.txt").read_text().splitlines()
    return log.count(outcome.checkpoint.name)


def test_a_checkpoint_is_measured_once_per_data_and_parameters(job: Job, project: Path):
    parent = tracking.open_pipeline_run("p", tags={})
    outcome = go(job, "text", parent)
    assert measured(job, outcome) == 1
    assert measured(job, outcome) == 1
    assert tracking.evaluation(outcome.run_id)["qa/accuracy"]["value"] == 0.9

    moved = tasks.open_job(stand_in.RECIPE, dataset="9" * 60)
    assert moved.checkpoint("text") == outcome.checkpoint
    assert measured(moved, outcome) == 2

    yaml = project / "params" / "eval.yaml"
    text = yaml.read_text()
    yaml.write_text(text.replace("main: ground_spatial/miou", "main: qa/accuracy"))
    assert measured(moved, outcome) == 2, "the gate makes no numbers"
    yaml.write_text(text.replace("seed: 11", "seed: 12"))
    assert measured(moved, outcome) == 3
    yaml.write_text(text)


def test_an_evaluation_by_hand_is_not_taken_for_that_of_the_recipe(job: Job):
    outcome = go(job, "text", tracking.open_pipeline_run("p", tags={}))
    before = measured(job, outcome)
    numbers = outcome.checkpoint / "evaluation" / "metrics.json"
    whole = numbers.read_text()
    numbers.write_text(json.dumps({"qa/accuracy": json.loads(whole)["qa/accuracy"]}))
    assert measured(job, outcome) == before + 1 and numbers.read_text() == whole
    assert measured(job, outcome) == before + 1


@pytest.mark.parametrize("change", [{"rank_options": True}, {"max_new_tokens": 7}, {"evaluate": ("qa",)}])
def test_how_a_checkpoint_is_asked_is_in_the_key_of_its_evaluation(job: Job, change):
    outcome = go(job, "text", tracking.open_pipeline_run("p", tags={}))
    before = measured(job, outcome)
    stages = tuple(s.model_copy(update=change) if s.name == "text" else s for s in job.recipe.stages)
    other = replace(job, recipe=job.recipe.model_copy(update={"stages": stages}))
    assert other.checkpoint("text") == outcome.checkpoint
    assert measured(other, outcome) == before + 1 and measured(other, outcome) == before + 1


def test_the_budget_of_answers_is_the_stage_s_or_that_of_its_completions_or_eval_yaml_s(job: Job):
    plain = job.recipe.stages[0]
    sampled = params.load(stand_in.ROOT / stand_in.RECIPE, params.Recipe).stages[-1]
    assert evaluate.max_new_tokens(plain) == params.load(Path("params/eval.yaml"), params.Eval).max_new_tokens
    assert evaluate.max_new_tokens(sampled) == sampled.max_new_tokens
    silent = sampled.model_copy(update={"max_new_tokens": None})
    assert evaluate.max_new_tokens(silent) == sampled.grpo.max_completion_length
    assert evaluate.max_new_tokens(sampled.model_copy(update={"max_new_tokens": 99})) == 99


def test_an_untrained_stage_cannot_be_evaluated(job: Job):
    with pytest.raises(ValueError, match=r"(?s)'second' .* has no finished checkpoint.*Train it first"):
        evaluate.finished_stage(job, "second")
