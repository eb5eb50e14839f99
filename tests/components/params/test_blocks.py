"""Every block of parameters: unknown keys, bounds of its numbers and what holds where a key is left out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import annotated_types
import pytest
from pydantic import ValidationError

from components import params
from components.params.claims import Claims
from components.params.comparison import Comparison
from components.params.strict import Strict

ROOT = Path(__file__).parents[3]


def blocks(value: object) -> Iterator[Strict]:
    """Return a block and all blocks inside it."""
    if isinstance(value, Strict):
        yield value
        value = dict(value)
    if isinstance(value, Mapping):
        value = tuple(value.values())
    for inner in value if isinstance(value, tuple) else ():
        yield from blocks(inner)


def shipped() -> Iterator[Strict]:
    yield params.load(ROOT / "params/data.yaml", params.Data)
    yield params.load(ROOT / "params/eval.yaml", params.Eval)
    for path in (ROOT / "params/recipes").glob("*.yaml"):
        yield params.load(path, params.Recipe)
    for path in (ROOT / "params/ablations").glob("*.yaml"):
        yield params.load(path, Comparison)
    yield params.load(ROOT / "params/claims.yaml", Claims)
    yield params.load(ROOT / "params/drift.yaml", params.Drift)
    yield params.Vllm(mode="colocate")
    yield params.Distill()


EXAMPLES = {type(block).__name__: block for whole in shipped() for block in blocks(whole)}


def complaints(block: str, **changes) -> dict[tuple, str]:
    """Change a block that is allowed; return the messages of what is then wrong, by place."""
    try:
        type(EXAMPLES[block]).model_validate(EXAMPLES[block].model_dump() | changes)
    except ValidationError as error:
        return {each["loc"]: each["msg"] for each in error.errors()}
    return {}


def test_there_is_an_example_of_every_block():
    ours = [schema for schema in Strict.__subclasses__() if schema.__module__.startswith("components.params.")]
    assert set(EXAMPLES) == {schema.__name__ for schema in ours}


@pytest.mark.parametrize("block", sorted(EXAMPLES))
def test_a_block_is_allowed_as_it_is_and_refuses_an_unknown_key_and_a_change(block):
    assert complaints(block) == {}
    assert complaints(block, unknown=1) == {("unknown",): "Extra inputs are not permitted"}
    name = next(iter(type(EXAMPLES[block]).model_fields))
    with pytest.raises(ValidationError, match="Instance is frozen"):
        setattr(EXAMPLES[block], name, None)


# (nearest number that is allowed, nearest that is not) -> block -> its keys
BOUNDS = {
    (1, 0): {
        "World": "takes take_s fps size_px", "Clips": "min_frames",
        "Funnel": "size_px train_takes test_takes shard_rows", "Llm": "max_tokens concurrency tries",
        "EgoIT": "instructions_per_dataset", "EgoRe": "box_grid windows_per_event rationale_words",
        "Frames": "size_px image_frames clip_frames window_frames jpeg_quality shard_frames",
        "Eval": "bootstrap_resamples max_batch_tokens max_new_tokens",
        "Model": "image_px patch_px tubelet_frames vision_width vision_layers vision_heads image_tokens video_tokens "
        "mapping_blocks text_width text_layers text_heads",
        "Egoflow": "tubelet_frames image_tokens video_tokens mapping_blocks", "Lora": "r lora_alpha",
        "Grpo": "max_completion_length", "PauseRules": "max_unapplied_records", "Claims": "seeds",
        "Distill": "segments max_new_tokens", "Drift": "permutations",
        "Stage": "max_steps dataset_samples train_batch_size per_device_train_batch_size max_frames max_pixels "
        "max_new_tokens questions_per_context save_steps ranks threads_per_rank ego_tokens",
    },
    (0, -1): {
        "World": "web_videos test_fraction", "LlmBudget": "calls tokens", "Llm": "temperature backoff_s",
        "EgoIT": "open_share",
        "EgoRe": "short_per_clip long_min_s long_per_window cot_fraction rationale_share box_min_percent",
        "Lora": "lora_dropout",
        "PauseRules": "max_reward_trade max_kl min_length_share max_truncated_share max_equal_groups_share "
        "max_repeated_share",
        "Grpo": "beta rollout_page_steps", "Drift": "seed",
        "Stage": "feature_cache_gib max_text_tokens video_last warmup_ratio weight_decay rendered_images seed",
    },
    (2, 1): {"Funnel": "clip_frames", "EgoRe": "choices", "PauseRules": "window_records", "Grpo": "num_generations"},
    (0.01, 0.0): {
        "World": "val_fraction", "Annotations": "most_rejected_share", "Clips": "length_s", "Funnel": "timeout_s",
        "Llm": "top_p requests_per_minute timeout_s", "EgoRe": "long_max_s time_step_s window_max_s",
        "Vllm": "gpu_memory_utilization", "Grpo": "temperature adam_beta2", "Drift": "alpha psi growth",
        "Stage": "muon_learning_rate num_train_epochs timeout_minutes published_hours stop_at_score",
    },
    (0.99, 1.0): {
        "World": "val_fraction test_fraction", "Lora": "lora_dropout", "Vllm": "gpu_memory_utilization",
        "Stage": "warmup_ratio muon_learning_rate", "Grpo": "adam_beta2", "Drift": "alpha",
    },
    (1.0, 1.01): {
        "Annotations": "most_rejected_share", "Llm": "top_p", "EgoIT": "open_share",
        "EgoRe": "cot_fraction rationale_share",
        "PauseRules": "min_length_share max_truncated_share max_equal_groups_share max_repeated_share",
        "Stage": "stop_at_score video_last", "Drift": "auc",
    },
    (2**32 - 1, 2**32): {"Stage": "seed"},
    (0.5, 0.49): {"Drift": "auc"},
    (100, 101): {"Frames": "jpeg_quality"},
    (-1, 0): {"Egoflow": "vision_layer"},
}  # fmt: skip
ROWS = [
    (block, key, *limit) for limit, table in BOUNDS.items() for block, keys in table.items() for key in keys.split()
]


@pytest.mark.parametrize(("block", "key", "allowed", "refused"), ROWS)
def test_a_number_is_allowed_up_to_its_bound(block, key, allowed, refused):
    assert (key,) not in complaints(block, **{key: allowed})
    assert "Input should be" in complaints(block, **{key: refused})[(key,)]


def test_every_number_with_a_bound_is_in_the_table():
    kinds = (annotated_types.Gt, annotated_types.Ge, annotated_types.Lt, annotated_types.Le)
    bounded = [
        (block, key)
        for block, example in EXAMPLES.items()
        for key, field in type(example).model_fields.items()
        for each in field.metadata
        if isinstance(each, kinds)
    ]
    assert sorted(bounded) == sorted((block, key) for block, key, *_ in ROWS)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_zero_has_four_stages(stage):
    assert complaints("Stage", zero_stage=stage) == {}
    assert ("zero_stage",) in complaints("Stage", zero_stage=-1) and ("zero_stage",) in complaints(
        "Stage", zero_stage=4
    )


VIEW = {"shared_encoder": False, "mapping": "resnet"}
DEFAULTS = {
    params.Model: {"architecture": "miniature", **VIEW},
    params.Egoflow: {"connector": "pool", "image_tokens": None, "video_tokens": None, **VIEW},
    params.PauseRules: {
        "window_records": 10, "max_reward_trade": 0.1, "max_kl": 1.0, "min_length_share": 0.5,
        "max_truncated_share": 0.9, "max_equal_groups_share": 0.98, "max_unapplied_records": 5,
        "max_repeated_share": 0.25,
    },
    params.Distill: {
        "queries": "open", "views": ("ego",), "segments": None, "generation": "greedy", "max_new_tokens": 1024,
        "keep_cut": False, "endpoint": None,
    },
    params.Vllm: {"server_base_url": "http://127.0.0.1:8000", "gpu_memory_utilization": 0.3},
    params.Grpo: {
        "scale_rewards": "group", "rollout_page_steps": 0, "vllm": None, "pause_rules": params.PauseRules(),
        "adam_beta2": 0.999, "lr_scheduler_type": "linear", "paired_views": False, "rationale_judge": None,
        "multi_objective_aggregation": "sum_then_normalize",
    },
    params.Stage: {
        "parents": {}, "learning_rates": {}, "muon_learning_rate": None, "lora": None, "loss_weights": {"vtg": 1.0},
        "mapping": None, "guidance": False, "ego_tokens": None, "freeze_ego_queries": False,
        "exo_views": "draw", "mixture": {}, "max_steps": None,
        "num_train_epochs": None, "dataset_samples": None, "per_device_train_batch_size": None,
        "gradient_checkpointing": False, "max_frames": None, "feature_cache_gib": 16, "max_pixels": None,
        "max_text_tokens": 64, "questions_per_context": 1, "rendered_images": 0, "stop_at_score": None, "grpo": None,
        "video_last": 0.0, "teacher": None, "published_hours": None, "distill": None,
        "ranks": 1, "threads_per_rank": 2, "zero_stage": 2,
        "timeout_minutes": 60, "seed": 0, "reasoned": False, "rank_options": False, "max_new_tokens": None,
        "evaluate": ("caption_ego", "caption_exo", "qa", "reasoning", "ground_spatial", "ground_temporal"),
    },
}  # fmt: skip


@pytest.mark.parametrize("schema", DEFAULTS, ids=lambda schema: schema.__name__)
def test_what_holds_where_a_key_is_left_out(schema):
    optional = {key: field for key, field in schema.model_fields.items() if not field.is_required()}
    assert {key: field.get_default(call_default_factory=True) for key, field in optional.items()} == DEFAULTS[schema]
