"""What a flow says of a stage while it trains."""

from pathlib import Path

import pytest

from components import params
from flows import train

RECIPE = params.load(Path(__file__).parents[2] / "params/recipes/miniature.yaml", params.Recipe)


@pytest.mark.parametrize(("steps", "told"), [(30, ", about 45 s left"), (140, ", about 9 min left"), (None, "")])
def test_progress_says_how_long_the_rest_takes(steps, told):
    rows = [{"step": step, "time_s": 1000.0 + 4.5 * step} for step in (10, 20)]
    stage = RECIPE.stages[0].model_copy(update={"max_steps": steps})
    assert train._left(rows, stage) == told and train._left(rows[:1], stage) == ""
