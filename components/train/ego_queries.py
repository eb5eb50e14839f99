"""Whether the queries E⁰ of the ego-adaptive tokens learn: measured in every run that trains them (systems §2.2).

In the package that Ego2ExoVLM's scripts call, the optimiser groups hold every trained weight but these.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import TrainerCallback

NAME = "model.ego_tokens.queries"
METRIC = "ego_tokens/query_change"


class QueryChange(TrainerCallback):
    """Add `ego_tokens/query_change` to the log, the norm of E⁰ minus what it began as.

    At the end of the stage it raises ValueError if E⁰ did not move, or moved although `freeze_ego_queries` is set: the
    stage leaves no finished checkpoint, and its resumable one stays. Runs on every rank, since ZeRO-3 keeps a part of
    E⁰ on each. Must stand before the callback that takes the log.

    Args:
        model: with the weights that the stage begins with, also where it is resumed.
        frozen: whether the stage leaves E⁰ as it is, an ablation.
    """

    def __init__(self, model: nn.Module, *, frozen: bool):
        self._queries, self._frozen = model.get_parameter(NAME), frozen
        self._before = self._queries.detach().clone()

    def on_log(self, args, state, control, logs: dict[str, float] | None = None, **kwargs) -> None:
        """Add the norm to the log of a step."""
        if logs is not None and "loss" in logs:
            logs[METRIC] = self.change()

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Look at the end of the stage, and not where it stopped before.

        Raises:
            ValueError: the queries are where they were, and should have moved; or the other way round.
        """
        if state.global_step < state.max_steps:
            return
        if (change := self.change()) > 0 and self._frozen or change == 0 and not self._frozen:
            raise ValueError(
                f"the queries of the ego-adaptive tokens moved by {change} in {state.global_step} steps, allowed is 0 "
                "with `freeze_ego_queries` and more without; look for them in the optimiser's groups "
                "(components/train/trainer.py) and for their gradient in `grad_norm/ego_tokens`"
            )

    @torch.no_grad()
    def change(self) -> float:
        """Return the norm now; every rank must ask at once."""
        if hasattr(self._queries, "ds_id"):
            import deepspeed  # a stage that is not spread does without its two seconds

            with deepspeed.zero.GatheredParameters(self._queries):
                return self._distance()
        return self._distance()

    def _distance(self) -> float:
        # rounded as they are kept now: DeepSpeed trains in bfloat16 what was loaded in float32
        before = self._before.to(self._queries)
        return (self._queries.float() - before.float()).norm().item()
