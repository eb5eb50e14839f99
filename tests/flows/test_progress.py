"""What a flow says of a stage while it trains."""

import json
from pathlib import Path

import pytest

from components import params
from flows import progress
from flows.tasks import Job

RECIPE = params.load(Path(__file__).parents[2] / "params/recipes/miniature.yaml", params.Recipe)


@pytest.mark.parametrize(("steps", "told"), [(30, ", about 45 s left"), (140, ", about 9 min left"), (None, "")])
def test_progress_says_how_long_the_rest_takes(steps, told):
    rows = [{"step": step, "time_s": 1000.0 + 4.5 * step} for step in (10, 20)]
    stage = RECIPE.stages[0].model_copy(update={"max_steps": steps})
    assert progress._left(rows, stage) == told and progress._left(rows[:1], stage) == ""


def test_progress_is_the_last_record_of_the_history(job: Job):
    stage = job.recipe.stages[0]
    assert "not at its first step" in progress.of(job, stage.model_copy(update={"name": "second"}))
    folder = job.checkpoint("text")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.jsonl").write_text(json.dumps({"step": 1, "time_s": 0.0, "loss": 0.25}) + "\n")
    assert progress.of(job, stage) == "text: step 1 of 1: loss 0.25"
