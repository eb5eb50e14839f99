"""Names that keys of params/*.yaml had before, so that the error of an old file says the new name."""

from __future__ import annotations

from collections.abc import Iterable

# class of the block -> old key -> new key
RENAMED: dict[str, dict[str, str]] = {
    "Stage": {
        "train": "learning_rates",
        "muon": "muon_learning_rate",
        "losses": "loss_weights",
        "steps": "max_steps",
        "epochs": "num_train_epochs",
        "samples": "dataset_samples",
        "batch": "train_batch_size",
        "micro_batch": "per_device_train_batch_size",
        "checkpointing": "gradient_checkpointing",
        "frames": "max_frames",
        "pixels": "max_pixels",
        "text_tokens": "max_text_tokens",
        "turns": "questions_per_context",
        "warmup": "warmup_ratio",
        "features_gib": "feature_cache_gib",
        "images": "rendered_images",
        "gate": "stop_at_score",
        "zero": "zero_stage",
        "threads": "threads_per_rank",
    },
    "Lora": {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "lr": "learning_rate"},
    "Grpo": {
        "group": "num_generations",
        "max_completion_tokens": "max_completion_length",
        "scale": "scale_rewards",
        "rewards": "reward_weights",
        "rollouts_every": "rollout_page_steps",
        "watch": "pause_rules",
    },
    "PauseRules": {
        "window": "window_records",
        "trade": "max_reward_trade",
        "kl": "max_kl",
        "shortest": "min_length_share",
        "cut": "max_truncated_share",
    },
    "Vllm": {"server_url": "server_base_url", "gpu_memory": "gpu_memory_utilization"},
    "Eval": {
        "batch": "max_batch_tokens",
        "per_device_eval_batch_size": "max_batch_tokens",
        "gate": "promotion",
    },
    "Promotion": {"main": "primary_metric", "guards": "guardrail_metrics"},
}


def new_names(block: str, keys: Iterable[str]) -> str:
    """Return what the old ones among some keys are called now, in words; "" where none of them is old.

    Args:
        block: name of the class that reads the keys.
        keys: as they came.

    >>> new_names("Lora", ["rank", "lora_alpha", "lr"])
    '`rank` is now `r`, `lr` is now `learning_rate`'
    """
    renamed = RENAMED.get(block, {})
    return ", ".join(f"`{key}` is now `{renamed[key]}`" for key in keys if key in renamed)
