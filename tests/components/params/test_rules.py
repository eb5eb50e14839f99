"""What the blocks ask beyond the type of each value, and how a recipe is found."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from components import params
from components.params.data import Llm

ROOT = Path(__file__).parents[3]
DATA = params.load(ROOT / "params/data.yaml", params.Data)
RECIPE = params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe)
TOWERS = {"ego_encoder": "a", "exo_encoder": "a", "language_model": "b"}


def stage(**changes) -> dict:
    plain = {
        "name": "s", "algorithm": "supervised", "max_steps": 2, "train_batch_size": 2, "warmup_ratio": 0.0,
        "weight_decay": 0.0, "save_steps": 1,
    }  # fmt: skip
    return plain | changes


def grpo(**changes) -> dict:
    return {
        "num_generations": 2, "beta": 0.0, "temperature": 1.0, "max_completion_length": 4, "reward_weights": {},
    } | changes  # fmt: skip


def recipe(*stages: dict) -> params.Recipe:
    return params.Recipe.model_validate({"name": "r", "model": RECIPE.model.model_dump(), "stages": stages})


def egoflow(**changes) -> params.Egoflow:
    values = {"architecture": "egoflow", "base": TOWERS, "tubelet_frames": 1, "vision_layer": -2, "mapping_blocks": 1}
    return params.Egoflow.model_validate(values | changes)


def llm(**changes) -> Llm:
    return Llm.model_validate(DATA.llm.model_dump() | changes)


def test_sources_that_are_left_out_are_not_given():
    folders = {"egoexo4d": Path("a"), "visor": Path("b"), "egoexolearn": Path("c")}
    assert params.Sources(**folders, ssv2=Path("d")).given() == folders | {"ssv2": Path("d")}
    assert params.Sources(**folders).given() == folders


def test_an_endpoint_needs_the_name_of_a_model_and_rules_do_not():
    assert llm(generator="openai", model="m").model == "m"
    assert llm(generator="rules", model="").model == ""
    with pytest.raises(ValidationError, match="generator openai needs `model`"):
        llm(generator="openai", model="")


def test_a_pool_has_both_limits_and_a_convolution_none():
    assert egoflow(connector="pool", image_tokens=16, video_tokens=8).image_tokens == 16
    assert egoflow(connector="stc").video_tokens is None
    for connector, limits in {
        "pool": [{}, {"image_tokens": 16}, {"video_tokens": 8}],
        "stc": [{"image_tokens": 16}],
    }.items():
        for each in limits:
            with pytest.raises(ValidationError, match="`pool` needs both limits, others take none"):
                egoflow(connector=connector, **each)


def test_all_three_towers_come_from_somewhere():
    with pytest.raises(ValidationError, match="at least 3 items"):
        egoflow(connector="stc", base={"ego_encoder": "a", "exo_encoder": "a"})


def test_a_stage_has_one_length_and_makes_its_own_samples_by_steps():
    assert recipe(stage(max_steps=None, num_train_epochs=1.5)).stages[0].num_train_epochs == 1.5
    for length in ({"max_steps": None}, {"num_train_epochs": 1.0}):
        with pytest.raises(ValidationError, match="stage 's': max_steps .*; give exactly one of them"):
            recipe(stage(**length))
    for algorithm in ("text", "contrastive"):
        assert recipe(stage(algorithm=algorithm)).stages[0].max_steps == 2
        with pytest.raises(ValidationError, match=f"{algorithm} makes its own samples without end; give `max_steps`"):
            recipe(stage(algorithm=algorithm, max_steps=None, num_train_epochs=1.0))


def test_exo_views_are_named_where_a_loss_compares_them():
    assert recipe(stage(exo_views="each", loss_weights={"vtg": 1.0, "kl": 1.0})).stages[0].compares_views
    with pytest.raises(ValidationError, match="'s': `exo_views: each` came with .*, of which none compares views"):
        recipe(stage(exo_views="each"))


def test_stages_stand_once_and_after_their_parents():
    second = stage(name="t", parents={"all": "s"})
    assert [each.name for each in recipe(stage(), second).stages] == ["s", "t"]
    with pytest.raises(ValidationError, match="stage 's' stands twice"):
        recipe(stage(), stage())
    for wrong in ((second, stage()), (stage(parents={"all": "s"}),)):
        with pytest.raises(ValidationError, match=r"`parents.all`: 's' came, allowed are the stages before it: \[\]"):
            recipe(*wrong)


def test_the_block_grpo_belongs_to_its_algorithm():
    assert recipe(stage(algorithm="grpo", grpo=grpo())).stages[0].grpo.num_generations == 2
    for wrong in (stage(algorithm="grpo"), stage(grpo=grpo())):
        with pytest.raises(ValidationError, match="the `grpo` block belongs to algorithm grpo and to no other"):
            recipe(wrong)


def test_one_learning_rate_of_adapters_is_that_of_the_language_model():
    adapters = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0}
    assert params.Lora(**adapters, learning_rate=0.1).learning_rates == {"language_model": 0.1}
    assert params.Lora(**adapters, learning_rate={"merger": 0.2}).learning_rates == {"merger": 0.2}
    for wrong in (0.0, {"merger": 0.0}):
        with pytest.raises(ValidationError, match="greater than 0"):
            params.Lora(**adapters, learning_rate=wrong)


def test_a_promotion_compares_what_is_computed():
    rule = {"model_name": "m", "primary_metric": "qa/accuracy", "guardrail_metrics": {"ground_spatial/miou": 0.1}}
    assert params.Promotion.model_validate(rule).primary_metric == "qa/accuracy"
    for wrong in ({"primary_metric": "qa/miou"}, {"guardrail_metrics": {"qa/miou": 0.1}}):
        with pytest.raises(
            ValidationError, match=r"compares \['qa/miou'\], which nothing computes; allowed are \['capt"
        ):
            params.Promotion.model_validate(rule | wrong)


def test_a_recipe_is_found_by_its_name_and_by_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert params.find_recipe("miniature") == Path("params/recipes/miniature.yaml")
    own = tmp_path / "own.yaml"
    own.touch()
    assert params.find_recipe(str(own)) == own
    with pytest.raises(
        ValueError, match="recipe 'none' is no file, allowed are also the names .*'exo2ego'.*'miniature'"
    ):
        params.find_recipe("none")


def test_a_file_that_is_refused_says_where_to_mend_it(tmp_path):
    path = tmp_path / "lora.yaml"
    path.write_text("r: 1\nlora_alpha: 0\nlora_dropout: 0\nlearning_rate: 1e-3\n")
    with pytest.raises(
        ValueError, match=r"(?s)lora.yaml has mistakes .1.:.*lora_alpha.*Mend them in .*lora.yaml; the keys"
    ):
        params.load(path, params.Lora)
    path.write_text("r: 1\nlora_alpha: 2\nlora_dropout: 0\nlearning_rate: 1e-3\n")
    assert params.load(path, params.Lora).learning_rate == 0.001
