"""A rehearsal differs from its recipe in numbers of size alone, and what is left of them is consistent."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import params
from components.train.judge import verdict
from components.train.rehearsal import smaller
from components.train.trainer import arguments

ROOT = Path(__file__).parents[4]
RECIPES = [params.load(path, params.Recipe) for path in sorted((ROOT / "params/recipes").glob("*.yaml"))]
DATA = smaller.data(params.load(ROOT / "params/data.yaml", params.Data))
EVALUATION = params.load(ROOT / "params/eval.yaml", params.Eval)
OF_STAGES = {
    "max_steps", "num_train_epochs", "train_batch_size", "per_device_train_batch_size", "max_frames", "save_steps",
    "ranks", "threads_per_rank", "timeout_minutes", "rendered_images", "max_new_tokens", "lora.r", "lora.lora_alpha",
    "grpo.num_generations", "grpo.max_completion_length", "distill.segments", "distill.max_new_tokens",
    "distill.keep_cut",  # so that short answers are samples
}  # fmt: skip
OF_MODELS = {
    "mapping_blocks", "image_px", "vision_width", "vision_layers", "vision_heads", "text_width", "text_layers",
    "text_heads", "base", "base.ego_encoder", "base.exo_encoder", "base.language_model",
}  # fmt: skip


def rehearsed(recipe: params.Recipe, *, ranks: int = 1, zero_stage: int | None = None, **more) -> params.Recipe:
    base = recipe.model.model_dump().get("base", {})
    names = base.values() if isinstance(base, dict) else [base]
    bases = {name: Path("/tiny") / str(number) for number, name in enumerate(names)}
    of = {"frames": DATA.frames, "has_gpus": False, "on": "world"} | more
    return smaller.recipe(recipe, bases=bases, ranks=ranks, zero_stage=zero_stage, **of)


def changed_keys(recipe: params.Recipe, small: params.Recipe) -> set[str]:
    """Return the keys that differ, without the names of stages."""
    keys = {key for key, _, _ in smaller.changes(recipe, small)}
    stages = {key.removeprefix("stages.").partition(".")[2] for key in keys if key.startswith("stages.")}
    return stages | {key.removeprefix("model.") for key in keys if not key.startswith("stages.")}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@given(ranks=st.integers(1, 4), zero_stage=st.sampled_from([None, 2, 3]))
def test_only_numbers_of_size_change(recipe, ranks, zero_stage):
    small = rehearsed(recipe, ranks=ranks, zero_stage=zero_stage)
    allowed = OF_STAGES | OF_MODELS | ({"zero_stage"} if zero_stage is not None else set())
    assert changed_keys(recipe, small) <= allowed
    assert verdict.problems(small, DATA, EVALUATION, promotes=True, gpus=0) == []
    for before, stage in zip(recipe.stages, small.stages, strict=True):
        assert stage.ranks == ranks and stage.max_steps == (None if stage.distill else smaller.STEPS)
        asked = before.zero_stage if zero_stage is None else zero_stage
        assert stage.zero_stage == (min(asked, 2) if before.muon_learning_rate else asked)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@given(data=st.data())
def test_a_batch_divides_among_ranks_whatever_the_recipe_has(recipe, data):
    ranks = data.draw(st.integers(1, 4))
    stages = []
    for stage in recipe.stages:
        own, micro, accumulated = (data.draw(st.integers(1, 9)) for _ in range(3))
        takes_micro = stage.algorithm not in ("contrastive", "distill")
        given_micro = micro if takes_micro and data.draw(st.booleans()) else None
        changes = {"ranks": own, "train_batch_size": own * micro * accumulated}
        stages.append(stage.model_copy(update=changes | {"per_device_train_batch_size": given_micro}))
    small = rehearsed(recipe.model_copy(update={"stages": tuple(stages)}), ranks=ranks)
    for before, stage in zip(stages, small.stages, strict=True):
        if stage.distill:
            continue  # it has no optimiser steps
        made = arguments(stage, Path("out"))  # refuses a batch that does not divide
        assert made["per_device_train_batch_size"] <= smaller.SAMPLES_AT_ONCE
        accumulates = before.train_batch_size > before.ranks * (before.per_device_train_batch_size or 10**9)
        assert (made["gradient_accumulation_steps"] > 1) == accumulates


def test_adapters_keep_their_scale_and_sampling_its_engine_where_there_are_gpus():
    exo2ego = next(recipe for recipe in RECIPES if recipe.name == "exo2ego")
    lora = rehearsed(exo2ego).stages[-1].lora
    assert lora.r == smaller.LORA_RANK and lora.lora_alpha / lora.r == 256 / 128
    egovlm = next(recipe for recipe in RECIPES if recipe.name == "egovlm")
    grpo = egovlm.stages[0].grpo.model_copy(update={"vllm": params.Vllm(mode="colocate")})
    stages = (egovlm.stages[0].model_copy(update={"grpo": grpo}),)
    with_vllm = egovlm.model_copy(update={"stages": stages})
    assert rehearsed(with_vllm).stages[0].grpo.vllm is None
    assert rehearsed(with_vllm, has_gpus=True).stages[0].grpo.vllm == params.Vllm(mode="colocate")


def test_the_small_world_writes_every_source_and_keeps_the_rules_of_the_data():
    whole = params.load(ROOT / "params/data.yaml", params.Data)
    assert set(DATA.sources.given()) == set(params.Sources.model_fields)
    blocks = {key.partition(".")[0] for key, _, _ in smaller.changes(whole, DATA)}
    assert blocks <= {"world", "sources", "frames"}


def test_an_evaluation_measures_the_same_tasks_by_fewer_samples():
    small = smaller.evaluation(EVALUATION, on="data")
    assert small.limits.keys() == EVALUATION.limits.keys() and small.promotion == EVALUATION.promotion
    assert max(small.limits.values()) == smaller.EVALUATED
    assert small.controls == dict.fromkeys(EVALUATION.controls, smaller.CONTROLLED)
