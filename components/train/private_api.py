"""What training takes from inside other libraries, read in transformers 5.23.0, TRL 1.16.0 and DeepSpeed 0.19.8.

None of it is documented, so it is looked up again here, and only here, when one of these versions changes. What our
trainers override of transformers' and TRL's private methods stands in their classes (finite_checks.py and log_window.py
of safety/; answer_likelihood.py, contrast.py, cross_view.py, rationale_judge.py, replay.py and shared_prompt.py of
grpo/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import deepspeed
import torch
from transformers import PretrainedConfig

if TYPE_CHECKING:
    from trl import GRPOTrainer  # imported, it would cost every other stage a second and a half


def use_no_shared_memory_operator() -> None:
    """Keep DeepSpeed from compiling its shared-memory operator, for half a minute: only inference reduces by it."""
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def import_no_compiler() -> None:
    """Let DeepSpeed's Muon, which every stage imports, not import torch's compiler: where nothing is compiled, 2 s."""
    from deepspeed.runtime import compiler

    def compile_nothing():
        return compiler.dummy_decorator

    compiler.compile = compile_nothing  # ty: ignore[invalid-assignment]  # another function in its place is the point


def let_muon_compute_in_float32() -> None:
    """Let DeepSpeed's Muon orthogonalise in float32, whatever numbers it thinks that this machine computes in best."""
    from deepspeed.runtime.zero.muon import original_muon

    def float32(ns_method: str = "gram") -> torch.dtype:
        return torch.float32

    original_muon.ns_compute_dtype = float32  # ty: ignore[invalid-assignment]  # as above


def loaded_from(config: PretrainedConfig) -> str:
    """Return the folder or Hub name that a model was loaded from."""
    return config._name_or_path


def set_loaded_from(config: PretrainedConfig, folder: str | Path) -> None:
    """Say where a model was loaded from: TRL loads the reference model of GRPO from there."""
    config._name_or_path = str(folder)


def last_completions(trainer: GRPOTrainer) -> dict[str, Any]:
    """Return TRL's table of the newest step, all ranks, groups in order.

    Args:
        trainer: after its first step.

    Returns:
        "prompt", "completion" and "advantages": a row for each completion; "rewards": name -> a value for each.
    """
    return trainer._logs


def unlogged(trainer: GRPOTrainer) -> dict[str, list[float]]:
    """Return what TRL has measured since its last record: name -> a value for each step; NaN: none in that step."""
    return trainer._metrics["train"]


def set_zero_spread(trainer: GRPOTrainer, share: float) -> None:
    """Put another share of prompts without spread of rewards in the place of the one that TRL logs for this step.

    Args:
        trainer: after its first step.
        share: from 0 to 1.
    """
    unlogged(trainer)["frac_reward_zero_std"][-1] = share
