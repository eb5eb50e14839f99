"""Arms are overrides: what they change, what they leave, and what a mistake in one says."""

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from components import params
from components.params import Recipe, load
from components.params.comparison import Comparison, recipe_of

ROOT = Path(__file__).parents[3]
BASE = YAML(typ="safe").load((ROOT / "params/recipes/miniature.yaml").read_text())
SHIPPED = sorted((ROOT / "params/ablations").glob("*.yaml"))


def comparison(**changes) -> Comparison:
    plain = {
        "name": "c", "recipe": "r.yaml", "at": "stage3", "against": "full", "reseed": ["stage2", "stage3"],
        "measures": {"QA": ["qa/accuracy"]}, "arms": {"full": {}, "other": {}},
    }  # fmt: skip
    return Comparison(**{**plain, **changes})


def arm(changes: dict, seed: int = 0, **more) -> dict[str, dict]:
    """Give stage -> block of the recipe of an arm with these changes."""
    made = recipe_of(comparison(arms={"full": {}, "other": {"changes": changes}}, **more), BASE, "other", seed)
    return {stage["name"]: stage for stage in made["stages"]}


def test_an_arm_is_the_recipe_but_for_its_changes():
    before = copy.deepcopy(BASE)
    changes = {"stage2.loss_weights.kl": 0.0, "stage3.lora": None, "stage2.learning_rates.exo_encoder": 3e-4}
    full, other = arm({}), arm(changes)
    assert before == BASE
    assert list(other) == list(full) == [stage["name"] for stage in BASE["stages"][:7]], "sft and grpo lie beyond"
    assert other["stage2"]["loss_weights"] == {**full["stage2"]["loss_weights"], "kl": 0.0}
    assert other["stage2"]["learning_rates"] == {**full["stage2"]["learning_rates"], "exo_encoder": 3e-4}
    assert full["stage3"].keys() - other["stage3"].keys() == {"lora"}
    assert all(full[name] == other[name] for name in full if name not in ("stage2", "stage3"))


def test_inside_a_block_a_key_may_be_called_as_a_key_of_stages_was_called():
    assert arm({"stage2.learning_rates.samples": 0.1})["stage2"]["learning_rates"]["samples"] == 0.1


@given(st.integers(0, 9))
def test_only_reseeded_stages_take_the_seed_of_the_repetition(seed):
    seeds = {name: stage.get("seed", 0) for name, stage in arm({"stage3.seed": 100}, seed).items()}
    assert seeds == {**dict.fromkeys(seeds, 0), "stage2": seed, "stage3": 100 + seed}


def test_only_measured_stages_are_evaluated_and_the_scores_of_the_recipe_itself_stay():
    measures = {"both": ["qa/accuracy", "stage2:retrieval_fx/top1"]}
    first, second = (arm({}, seed, measures=measures) for seed in (0, 1))
    assert {name for name, stage in first.items() if stage["evaluate"]} == {"stage2", "stage3"}
    assert first["stage2"]["evaluate"] == ["caption_ego", "caption_exo", "qa", "retrieval_fx"]
    assert second["stage2"]["evaluate"] == ["retrieval_fx"] and second["stage3"]["evaluate"] == ["qa"]


def test_an_arm_may_end_at_a_stage_of_its_own():
    more = {"name": "more", "parents": {"all": "stage2"}, "evaluate": []}
    made = comparison(stages=[more], arms={"full": {}, "more": {"at": "more"}})
    names = [stage["name"] for stage in recipe_of(made, BASE, "more", 0)["stages"]]
    assert names[-2:] == ["stage2", "more"] and "stage3" not in names
    assert made.places("more") == {"QA": (("more", "qa", "accuracy"),)}
    assert made.places("full") == {"QA": (("stage3", "qa", "accuracy"),)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stage9.max_steps": 1}, r"'stage9.max_steps': allowed is `stage.key` with a stage of \['base_encoder'"),
        ({"stage2": 1}, "allowed is `stage.key`"),
        ({"stage2.lora.r": 4}, "'lora' is no block"),
        ({"stage2.losses.kl": 0.0}, "`losses` is now `loss_weights`"),
        ({"stage2.loss_weights.kl_pooled": None}, "'kl_pooled' is not there to be taken out of"),
        ({"stage2.lora": None}, "'lora' is not there to be taken out of"),
    ],
)
def test_a_change_that_leads_nowhere_says_where_it_might_lead(changes, words):
    with pytest.raises(ValueError, match=words):
        arm(changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"against": "none"}, "`against` is 'none', allowed are the arms"),
        ({"frontier": {"x": "QA", "y": "boxes"}}, r"name \['boxes'\], allowed are \['QA'\]"),
        ({"arms": {"full": {"published": {"Avg": 1.0}}}}, r"name \['Avg'\]"),
        ({"measures": {"QA": ["accuracy"]}}, r"\['accuracy'\], allowed are `task/metric`"),
        ({"measures": {"QA": []}}, "allowed are `task/metric`"),
    ],
)
def test_a_comparison_whose_names_do_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        comparison(**changes)


def test_a_stage_that_is_not_there_cannot_be_measured():
    with pytest.raises(ValueError, match=r"arm 'full': \['stage4'\] are measured or reseeded, allowed are the stages"):
        recipe_of(comparison(at="stage4"), BASE, "full", 0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_comparison_gives_whole_recipes_whose_arms_differ(path):
    made = load(path, Comparison)
    base = YAML(typ="safe").load((ROOT / made.recipe).read_text())
    limits = load(ROOT / "params/eval.yaml", params.Eval).limits
    seen = []
    for name in made.arms:
        recipe = Recipe.model_validate(recipe_of(made, base, name, 1))
        assert {task for stage in recipe.stages for task in stage.evaluate} <= set(limits)
        seen.append([recipe.model, recipe.stages])
    assert all(one not in seen[:number] for number, one in enumerate(seen))
