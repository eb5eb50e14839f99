"""What every trainer checks: only finite numbers are saved, half a checkpoint never looks whole, no step too many."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import Trainer

from components.train.safety import resumable
from components.train.safety.errors import TrainingError

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


class FiniteChecks(Trainer):
    """A mixin that raises `TrainingError` before a loss, a gradient or a weight that is no number is saved.

    It stands first among the bases of a trainer, so that it sees what the others compute. `_run_epoch`,
    `_save_checkpoint` and `_save_rng_state` are private methods of transformers 5.23.0.

    Args:
        describe_samples: says in words which samples a step learns from, counted from 0.
        given: what the trainer takes.
    """

    def __init__(self, *, describe_samples: Callable[[int], str], **given):
        super().__init__(**given)
        self.describe_samples = describe_samples

    def _run_epoch(self, *given, **others) -> None:
        # TRL's epoch counts more steps than the stage has: one killed after its last step would take a step too many
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*given, **others)

    def compute_loss(self, *given, **others):
        """Compute the loss of a batch.

        Raises:
            TrainingError: the loss is no finite number.
        """
        answer = super().compute_loss(*given, **others)
        loss = float((answer[0] if isinstance(answer, tuple) else answer).detach())
        # before the backward pass: DeepSpeed takes the optimiser's step in it
        if not math.isfinite(loss):
            raise TrainingError(self._explain("loss", loss))
        return answer

    def training_step(self, *given, **others) -> torch.Tensor:
        """Take a step of a micro-batch.

        Raises:
            TrainingError: the norm of the gradient is no finite number.
        """
        loss = super().training_step(*given, **others)
        norm = None
        if self.is_deepspeed_enabled:
            norm = cast("DeepSpeedEngine", self.model_wrapped).get_global_grad_norm()
        # the weights are spoilt by now, but a sampling policy would fail with words that tell nobody why
        if norm is not None and not math.isfinite(norm):
            raise TrainingError(self._explain("gradient norm", float(norm)))
        return loss

    def _save_checkpoint(self, *given, **others) -> None:
        model = cast(nn.Module, self.model)  # None only for a trainer that is made without a model
        for name, parameter in model.named_parameters():
            # of a parameter that ZeRO-3 has spread, each rank looks at its share
            if parameter.requires_grad and not torch.isfinite(getattr(parameter, "ds_tensor", parameter)).all():
                raise TrainingError(
                    f"after step {self.state.global_step} the weights {name} hold what is no number, so they are "
                    "not saved. Lower the `learning_rates` in the recipe."
                )
        super()._save_checkpoint(*given, **others)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # the last file of every rank; rank 0 goes on to write trainer_state.json, which says that all are there
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if self.args.should_save:
            resumable.note_sizes(Path(output_dir))

    def _explain(self, what: str, came: float) -> str:
        step = self.state.global_step
        scheduler = cast(LRScheduler, self.lr_scheduler)  # None only before training
        before = next((row["loss"] for row in reversed(self.state.log_history) if "loss" in row), None)
        rates = ", ".join(f"{rate:.3g}" for rate in sorted(set(scheduler.get_last_lr()), reverse=True))
        return (
            f"the {what} of step {step + 1} is {came}, allowed are numbers; learning rate {rates}, last finite loss "
            f"{'none yet' if before is None else f'{before:.4g}'}, {self.describe_samples(step)}. Look at these "
            "samples, or lower the `learning_rates` in the recipe."
        )
