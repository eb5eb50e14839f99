"""Overrides of the command line are as if they stood in the file, and a wrong one says what is right."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import params
from components.params.comparison import Comparison, recipe_of, with_overrides
from components.params.overrides import applied
from components.train import plan

ROOT = Path(__file__).parents[3]
FILE = ROOT / "params/recipes/miniature.yaml"
COMPARISON = params.load(ROOT / "params/ablations/exo2ego.yaml", Comparison)


def keys(recipe: params.Recipe) -> dict[str, str]:
    world = plan.world_values(params.load(ROOT / "params/data.yaml", params.Data))
    return plan.stage_keys(recipe, dataset="d" * 64, world=world)


def test_the_same_changes_in_a_file_give_the_same_keys(tmp_path):
    raw = params.read(FILE)
    sft = next(stage for stage in raw["stages"] if stage["name"] == "sft")
    sft["max_steps"] = 60
    sft["learning_rates"]["language_model"] = 1e-5
    sft["weight_decay"] = 0
    sft.pop("lora", None)
    raw["model"]["text_width"] = 64
    with (tmp_path / "said.yaml").open("w") as file:
        YAML().dump(raw, file)
    words = ["stages.sft.max_steps=60", "stages.sft.learning_rates={language_model: 1e-5}", "model.text_width=64"]
    words += ["stages.sft.weight_decay=0"]
    sft["learning_rates"] = {"language_model": 1e-5}
    with (tmp_path / "said.yaml").open("w") as file:
        YAML().dump(raw, file)
    said, changed = params.load_recipe(tmp_path / "said.yaml"), params.load_recipe(FILE, words)
    assert changed == said and keys(changed) == keys(said)
    # and only what is changed, and what stands on it, is made anew
    alone = keys(params.load_recipe(FILE, words[:1]))
    before = keys(params.load_recipe(FILE))
    moved = {name for name in before if before[name] != alone[name]}
    assert "sft" in moved and moved.isdisjoint({"base_lm", "base_encoder", "init_exo", "stage3"})


def test_null_takes_a_key_out_so_that_its_default_holds():
    words = ["stages.stage1.evaluate=null"]
    [stage] = [one for one in applied(params.read(FILE), words)["stages"] if one["name"] == "stage1"]
    assert "evaluate" not in stage and "qa" in params.load_recipe(FILE, words).stages[4].evaluate


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("stages.sft.max_step=60", "stage 'sft', `max_step`: the key is unknown (did you mean max_steps"),
        ("stages.sft.steps=60", "'stages.sft.steps': `steps` is now `max_steps`"),
        ("stages.sfd.max_steps=60", "'sfd' is no stage (did you mean sft?), allowed are ['base_lm'"),
        ("stage.sft.max_steps=60", "'stage.sft.max_steps': it came (did you mean stages?), allowed is stages.NAME.KEY"),
        ("stages.sft.max_steps=sixty", "stage 'sft', `max_steps`: 'sixty' came; input should be a valid integer"),
        ("stages.sft.max_steps=60.5", "stage 'sft', `max_steps`: 60.5 came; input should be a valid integer"),
        ("stages.sft.learning_rate.language_model=0.1", "'learning_rate' is no block (did you mean learning_rates"),
        ("stages.sft.teacher=null", "'teacher' is not there to be taken out"),
        ("stages.sft.max_steps=[1", "the value is no YAML"),
        ("stages.sft.max_steps=", "'stages.sft.max_steps=' came, allowed is stages.NAME.KEY=VALUE"),
        ("stages.sft.max_steps", "'stages.sft.max_steps' came, allowed is"),
        ("model.text_widht=64", "`model.text_widht`: the key is unknown (did you mean text_width"),
    ],
)
def test_a_wrong_override_says_what_is_right(word, told):
    with pytest.raises(ValueError, match="miniature.yaml") as refused:
        params.load_recipe(FILE, [word])
    assert told in str(refused.value)


def test_a_key_comes_once_and_all_mistakes_come_at_once():
    with pytest.raises(ValueError, match="came twice, allowed is once") as refused:
        params.load_recipe(FILE, ["stages.sft.seed=1", "stages.sft.seed=2", "oops"])
    assert "'oops' came" in str(refused.value)


def test_every_arm_of_a_comparison_is_changed_before_its_own_changes_and_under_another_name():
    words = ["stages.stage3.max_steps=2", "stages.base_lm.max_steps=3"]
    changed = with_overrides(COMPARISON, words)
    base = params.read(FILE)
    for arm in COMPARISON.arms:
        stages = {stage["name"]: stage for stage in recipe_of(changed, base, arm, 0)["stages"]}
        assert stages["base_lm"]["max_steps"] == 3
    assert changed.name.startswith(COMPARISON.name) and changed.name != COMPARISON.name
    assert with_overrides(COMPARISON, []) is COMPARISON
    with pytest.raises(ValueError, match=r"'stge3.max_steps': allowed is .* \(did you mean stage3"):
        recipe_of(with_overrides(COMPARISON, ["stages.stge3.max_steps=2"]), base, next(iter(COMPARISON.arms)), 0)
