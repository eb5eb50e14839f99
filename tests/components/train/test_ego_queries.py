"""Ego-adaptive tokens in a stage: all of them are trained, and a run in which the queries stand still is no run."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from components.models import build
from components.models.backbone import part_of
from components.tracking import history
from components.train import checkpoints
from components.train.ego_queries import METRIC, NAME, QueryChange
from components.train.trainer import check_groups, optimiser_groups
from tests.components.train.conftest import shrunk_recipe, write_fresh

RATES = {"ego_tokens": 2e-6, "ego_connector": 2e-6}


@pytest.fixture
def tokened(model, processor):
    told = build.processor_for(build.config_of(processor), processor.tokenizer)
    build.renew_ego_tokens(model, told, 4, seed=0)
    checkpoints.prepare(model, RATES, None)
    return model


def ended(model: torch.nn.Module, watched: QueryChange, *, step: int = 10) -> None:
    watched.on_train_end(None, SimpleNamespace(global_step=step, max_steps=10), None, model=model)


def test_every_parameter_of_the_tokens_lies_in_one_group(tokened):
    groups = optimiser_groups(tokened, RATES, lora_rate=None, weight_decay=0.0)
    check_groups(tokened, groups)
    held = {id(parameter) for group in groups for parameter in group["params"]}
    own = {id(value) for name, value in tokened.named_parameters() if part_of(name) in RATES}
    assert held == own and id(tokened.get_parameter(NAME)) in held


def test_queries_in_no_group_or_in_two_are_refused(tokened):
    """As in the published trainer, whose groups are chosen by names that the queries do not have."""
    groups = optimiser_groups(tokened, RATES, lora_rate=None, weight_decay=0.0)
    queries = tokened.get_parameter(NAME)
    without = [{**group, "params": [each for each in group["params"] if each is not queries]} for group in groups]
    for wrong, count in ((without, 0), ([*groups, {"params": [queries]}], 2)):
        with pytest.raises(ValueError, match=f"{NAME}': {count}.*allowed is one"):
            check_groups(tokened, wrong)
    with pytest.raises(ValueError, match="lm_head.weight': 1"):
        check_groups(tokened, [*groups, {"params": [tokened.lm_head.weight]}])


def test_a_stage_whose_queries_stood_still_does_not_end(tokened):
    watched = QueryChange(tokened, frozen=False)
    with pytest.raises(ValueError, match=r"moved by 0.0 in 10 steps"):
        ended(tokened, watched)
    ended(tokened, watched, step=3)  # it was stopped before its end, and goes on
    with torch.no_grad():
        tokened.get_parameter(NAME)[0, 0] += 3e-3
    ended(tokened, watched)
    logs = {"loss": 1.0}
    watched.on_log(None, None, None, logs=logs)
    assert logs[METRIC] == pytest.approx(3e-3, rel=1e-3)


def test_frozen_queries_that_moved_are_told_too(tokened):
    watched = QueryChange(tokened, frozen=True)
    ended(tokened, watched)
    with torch.no_grad():
        tokened.get_parameter(NAME).add_(1e-3)
    with pytest.raises(ValueError, match="allowed is 0 with `freeze_ego_queries`"):
        ended(tokened, watched)


def test_rounding_to_bfloat16_is_no_change(tokened):
    watched = QueryChange(tokened, frozen=False)
    tokened.get_parameter(NAME).data = tokened.get_parameter(NAME).data.bfloat16()
    assert watched.change() == 0


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_real_stage_begins_trains_and_keeps_them(workshop, freeze):
    path, output = workshop.folder / f"tokens-{freeze}.yaml", workshop.folder / f"tokens-{freeze}"

    def changes(stage: dict) -> dict:
        if stage["name"] != "stage3":
            return {}
        kept = {"lora": None, "guidance": False, "learning_rates": {"ego_tokens": 1e-3}, "ego_tokens": 4}
        return kept | {"mixture": {"egoexoclip/caption/exo": 1.0}, "freeze_ego_queries": freeze}

    recipe = shrunk_recipe(path, changes)
    stage = next(stage for stage in recipe.stages if stage.name == "stage3")
    fresh = write_fresh(workshop.folder / f"fresh-{freeze}", recipe.model, "stage2")
    workshop.fork(path, stage, {"all": fresh}, output, workshop.open_run(output.name))
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (fresh, output))
    assert {part_of(name) for name in set(after) - set(before)} == {"ego_tokens"}
    assert all(torch.equal(after[name], value) for name, value in before.items())
    rows, _ = history.read(output / "history.jsonl")
    assert all((row[METRIC] == 0) == freeze and row["grad_norm/ego_tokens"] > 0 for row in rows)
    assert build.load_processor({"all": output / "model"}).layout_config["ego_tokens"] == 4
    assert recipe.ego_tokens["stage3"] == recipe.ego_tokens["grpo"] == 4 and recipe.ego_tokens["stage2"] == 0
