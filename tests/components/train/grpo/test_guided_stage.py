"""A real GRPO stage samples and scores both views, with F(x) beside x."""

import json

import pytest

from components.tracking import history
from tests.components.train.conftest import shrunk_recipe, write_fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHANGES = {
    "guidance": True, "ranks": 1,
    "mixture": {"egore/ground_temporal/ego": 0.5, "egore/ground_temporal/exo": 0.5},
    "learning_rates": {"mapping_f": 1e-3, "exo_connector": 1e-3, "language_model": 1e-3},
}  # fmt: skip


def guided(stage: dict) -> dict:
    if stage["algorithm"] != "grpo":
        return {}
    return CHANGES | {"grpo": stage["grpo"] | {"reward_weights": {"format": 1.0, "temporal_iou": 1.0}}}


def test_a_guided_stage_of_both_views_comes_to_its_end(workshop):
    path, output = workshop.folder / "guided.yaml", workshop.folder / "guided"
    recipe = shrunk_recipe(path, guided)
    stage, start = recipe.stages[-1], write_fresh(workshop.folder / "fresh", recipe.model)
    workshop.fork(path, stage, {"all": start}, output, workshop.open_run("guided"))
    rows, _ = history.read(output / "history.jsonl")
    assert [row["step"] for row in rows] == [1, 2] and all("kl" in row for row in rows)
    assert json.loads((output / "model" / "config.json").read_text())["guidance"] is True
