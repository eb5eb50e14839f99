"""What every trainer needs besides: only numbers are saved, half a checkpoint never looks whole, no step too many."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import torch
from transformers import Trainer

from components.train.safety.errors import CannotGoOn


def guard(trainer: Trainer, named: Callable[[int], str]) -> None:
    """Let a trainer raise `CannotGoOn` before it saves what is no number: a loss, a gradient, a weight.

    It wraps methods of this one trainer, for the trainers come from two libraries.

    Args:
        trainer: any, under DeepSpeed.
        named: says in words which samples a step learns from, counted from 0.
    """
    run_epoch, compute_loss, training_step = trainer._run_epoch, trainer.compute_loss, trainer.training_step
    save_checkpoint, save_rng_state = trainer._save_checkpoint, trainer._save_rng_state

    @wraps(run_epoch)
    def epoch_within_limits(*given, **others):
        # TRL's epoch counts more steps than the stage has: one killed after its last step would take a step too many
        if trainer.state.global_step >= trainer.state.max_steps:
            trainer.control.should_training_stop = True
        else:
            run_epoch(*given, **others)

    @wraps(compute_loss)
    def checked_loss(*given, **others):
        answer = compute_loss(*given, **others)
        loss = float((answer[0] if isinstance(answer, tuple) else answer).detach())
        # before the backward pass: DeepSpeed takes the optimiser's step in it
        if not math.isfinite(loss):
            raise CannotGoOn(_words(trainer, "loss", loss, named))
        return answer

    @wraps(training_step)
    def checked_step(*given, **others):
        loss = training_step(*given, **others)
        norm = trainer.model_wrapped.get_global_grad_norm()
        # the weights are spoilt by now, but a sampling policy would fail with words that tell nobody why
        if norm is not None and not math.isfinite(norm):
            raise CannotGoOn(_words(trainer, "gradient norm", float(norm), named))
        return loss

    @wraps(save_checkpoint)
    def checked_save(*given, **others):
        for name, parameter in trainer.model.named_parameters():
            # of a parameter that ZeRO-3 has spread, each rank looks at its share
            if parameter.requires_grad and not torch.isfinite(getattr(parameter, "ds_tensor", parameter)).all():
                raise CannotGoOn(
                    f"after step {trainer.state.global_step} the weights {name} hold what is no number, so they are "
                    "not saved. Lower the rates under `train` in the recipe."
                )
        save_checkpoint(*given, **others)

    @wraps(save_rng_state)
    def awaited_rng_state(*given, **others):
        save_rng_state(*given, **others)
        # the last file of every rank; rank 0 goes on to write trainer_state.json, which says that all are there
        if torch.distributed.is_initialized():
            torch.distributed.barrier()

    trainer._run_epoch, trainer.compute_loss, trainer.training_step = epoch_within_limits, checked_loss, checked_step
    trainer._save_checkpoint, trainer._save_rng_state = checked_save, awaited_rng_state


def _words(trainer: Trainer, what: str, came: float, named: Callable[[int], str]) -> str:
    step = trainer.state.global_step
    before = next((row["loss"] for row in reversed(trainer.state.log_history) if "loss" in row), None)
    rates = ", ".join(f"{rate:.3g}" for rate in sorted(set(trainer.lr_scheduler.get_last_lr()), reverse=True))
    return (
        f"the {what} of step {step + 1} is {came}, allowed are numbers; learning rate {rates}, last finite loss "
        f"{'none yet' if before is None else f'{before:.4g}'}, {named(step)}. Look at these samples, or lower the "
        "rates under `train` in the recipe."
    )
