"""What training takes from inside other libraries, read in transformers 5.23.0, TRL 1.16.0 and DeepSpeed 0.19.8.

None of it is documented, so it is looked up again here, and only here, when one of these versions changes. What our
trainers override of transformers' and TRL's private methods stands in their classes (safety/finite_checks.py,
grpo/shared_prompt.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deepspeed
from transformers import PretrainedConfig, Trainer


def use_no_shared_memory_operator() -> None:
    """Keep DeepSpeed from compiling its shared-memory operator, for half a minute: only inference reduces by it."""
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def import_no_compiler() -> None:
    """Let DeepSpeed's Muon, which every stage imports, not import torch's compiler: where nothing is compiled, 2 s."""
    from deepspeed.runtime import compiler

    compiler.compile = lambda: compiler.dummy_decorator


def loaded_from(config: PretrainedConfig) -> str:
    """Return the folder or Hub name that a model was loaded from."""
    return config._name_or_path


def set_loaded_from(config: PretrainedConfig, folder: str | Path) -> None:
    """Say where a model was loaded from: TRL loads the reference model of GRPO from there."""
    config._name_or_path = str(folder)


def last_completions(trainer: Trainer) -> dict[str, Any]:
    """Return TRL's table of the newest step, all ranks, groups in order.

    Args:
        trainer: a `GRPOTrainer`.

    Returns:
        "prompt", "completion" and "advantages": a row for each completion; "rewards": name -> a value for each.
    """
    return trainer._logs


def set_zero_spread(trainer: Trainer, share: float) -> None:
    """Put another share of prompts without spread of rewards in the place of the one that TRL logs for this step.

    Args:
        trainer: a `GRPOTrainer`.
        share: from 0 to 1.
    """
    trainer._metrics["train"]["frac_reward_zero_std"][-1] = share
