"""Every shipped recipe rehearsed whole, by the command a person types.

The first one trained and evaluated in real processes (tests/rehearsals.py); those of the others are forked from one
that has imported everything (tests/warm_python.py), for that is what most of a rehearsal's time goes into.
"""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import params
from tests.rehearsals import ROOT, rehearse

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def project(rehearsal_project) -> Path:
    return rehearsal_project


# the other pairs: tests/components/train/rehearsal/test_other_ranks.py; egovlm as the project came, so all is reused
@pytest.mark.parametrize(
    ("recipe", "ranks", "zero_stage"),
    [
        ("egovlm", 1, 3),
        ("egothinker", 2, 3),
        ("exo2ego", 1, 2),
        ("miniature", 2, 2),
        ("ego2exovlm", 1, 1),
        ("view_grpo", 1, 3),
    ],
)
def test_a_recipe_goes_through(project, warm_python, recipe, ranks, zero_stage):
    words = ("--ranks", str(ranks), "--zero-stage", str(zero_stage))
    done, told = rehearse(project, recipe, *words, python=warm_python)
    assert done.returncode == 0, done.stderr[-3000:]
    whole = params.load(ROOT / f"params/recipes/{recipe}.yaml", params.Recipe)
    assert [stage["stage"] for stage in told["stages"]] == [stage.name for stage in whole.stages]
    assert not told["missing"] and told["error"] is None and told["exported"] and told["decision"]
    for stage, measured in zip(whole.stages, told["stages"], strict=True):
        assert (measured["ranks"], measured["zero_stage"]) == (ranks, zero_stage)
        adapted = {f"{part} (LoRA)" for part in stage.lora.learning_rates} if stage.lora else set()
        assert measured["trained"].keys() == stage.learning_rates.keys() | adapted
        parts = {part["part"]: part for part in measured["mixture"]}
        assert parts.keys() <= stage.mixture.keys()
        if stage.mixture and not stage.distill:  # which shows its samples to a teacher
            assert sum(part["shown"] for part in parts.values()) >= measured["steps"]
        if stage.grpo:
            assert all(part["applies"].keys() == stage.grpo.reward_weights.keys() for part in parts.values())
        else:
            silent = [part for part in stage.learning_rates if not measured["gradient"].get(part)]
            assert not silent, f"{stage.name} gives {silent} no gradient"
        assert stage.name in done.stdout
    assert not (project / "checkpoints").exists() and not (project / "mlflow.db").exists()
    if recipe == "egovlm":
        assert "is reused" in done.stderr
        assert told["stages"] == json.loads((project / "first.json").read_text())["stages"]


def test_a_recipe_that_fails_says_where_and_shows_the_stages_before(project):
    recipe = YAML(typ="safe").load((ROOT / "params/recipes/egothinker.yaml").read_text())
    # another learning rate, so that a finished stage of the same recipe is not reused
    recipe["stages"][1]["timeout_minutes"] = 0.01
    recipe["stages"][1]["learning_rates"]["language_model"] = 2.0e-6
    path = project / "late.yaml"
    with path.open("w") as file:
        YAML().dump(recipe, file)
    # sft as above; in real processes, for what is ended in its start is ended with all that it started
    done, told = rehearse(project, str(path), "--ranks", "2", "--zero-stage", "3")
    assert done.returncode == 1
    assert "grpo" in done.stderr and "timeout_minutes" in done.stderr
    assert [stage["stage"] for stage in told["stages"]] == ["sft"] and told["missing"] == ["grpo"]
    assert "grpo" in told["error"] and told["stages"][0]["mixture"] and not told["exported"]
