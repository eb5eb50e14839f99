"""The `grpo` block of a stage: sampling, rewards, and when a run pauses itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat

from components.params.data import Llm
from components.params.strict import Strict


class PauseRules(Strict):
    """When a GRPO run pauses itself with a checkpoint (components/train/grpo/pause_rules.py); raise one to go on."""

    window_records: int = Field(default=10, ge=2, description="logged records that are looked at")
    max_reward_trade: float = Field(
        default=0.1,
        ge=0,
        description="the format reward may not rise by more while a reward of accuracy falls by more, in a window",
    )
    max_kl: float = Field(
        default=1.0, ge=0, description="highest KL to the reference, median of three records; needs beta"
    )
    min_length_share: float = Field(
        default=0.5, ge=0, le=1, description="least completion length, as a share of the start's"
    )
    max_truncated_share: float = Field(
        default=0.9, ge=0, le=1, description="greatest share of completions cut at the longest length"
    )
    max_equal_groups_share: float = Field(
        default=0.98,
        ge=0,
        le=1,
        description="greatest share of prompts whose completions all earn the same; more in every record of a window "
        "teaches nothing",
    )
    max_unapplied_records: int = Field(
        default=5,
        ge=1,
        description="records in a row in which a reward that has a weight, and applies to at least a tenth of the "
        "mixture, may apply to no completion; a run has about 50 records",
    )
    max_repeated_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="greatest share of a mixture part's prompts that stand in their batch a second time; a stage with "
        "more does not begin",
    )


class Vllm(Strict):
    """Completions sampled by vLLM, on GPUs and for the Qwen models; the trainer hands it the weights of every step."""

    mode: Literal["colocate", "server"] = Field(
        description="colocate: in the training processes; server: where `vllm serve` answers, on GPUs of its own"
    )
    server_base_url: str = Field(
        default="http://127.0.0.1:8000", pattern=r"^https?://", description="server: its address"
    )
    gpu_memory_utilization: float = Field(
        default=0.3, gt=0, lt=1, description="colocate: share of each GPU's memory that vLLM takes for itself"
    )


class Grpo(Strict):
    """Group-relative policy optimisation (systems §0.2)."""

    num_generations: int = Field(ge=2, description="completions per prompt, G")
    beta: float = Field(ge=0, description="weight of the KL to the reference")
    temperature: float = Field(gt=0, description="of sampling")
    max_completion_length: int = Field(ge=1, description="longest completion, tokens")
    scale_rewards: Literal["group", "batch", "none"] = Field(
        default="group",
        description="whose standard deviation divides the advantages; that of a group blows small differences up",
    )
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = Field(
        default="sum_then_normalize",
        description="normalize_then_sum: each reward is normalised within its group before the weighted sum, and that "
        "over the batch (GDPO); `scale_rewards` is then not read",
    )
    paired_views: bool = Field(
        default=False,
        description="show the ego and the exo prompt of a query next to each other, on one rank; samples that only one "
        "view is asked are left out. Rewards that compare views need it",
    )
    rationale_judge: Llm | None = Field(
        default=None,
        description="language model that says how like its reference a thought is, for the reward `rationale`; null: "
        "their facts are matched, which costs nothing",
    )
    reward_weights: dict[str, NonNegativeFloat] = Field(description="reward function of components/rewards -> weight")
    adam_beta2: float = Field(default=0.999, gt=0, lt=1, description="AdamW's second beta; TRL's where left out")
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        default="linear", description="of the learning rate after its warm-up; TRL's where left out"
    )
    rollout_page_steps: int = Field(
        default=0, ge=0, description="optimiser steps between two pages that show sampled completions; 0 for none"
    )
    vllm: Vllm | None = Field(default=None, description="how completions are sampled; null: by transformers")
    pause_rules: PauseRules | None = Field(
        default=PauseRules(), description="when the run pauses itself; null for never"
    )
