"""Gradient norms by part of the model, beside the curves of a stage: a part that learns nothing is seen at once."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from components.models.backbone import part_of


class GradientNorms(TrainerCallback):
    """Add `grad_norm/<part>` to what a trainer logs: the norm of rank 0's gradient in the logged step, before clipping.

    DeepSpeed takes a gradient away as soon as it is there, so each parameter tells its own on the way. With several
    micro-batches in a step it is the root of the sum of their squares. Must stand before the callback that takes the
    log. Heads of a pretext task count as "pretext".

    Args:
        parts: of the architecture, as `backbone.part_of` takes them.
    """

    def __init__(self, parts: dict[str, tuple[str, ...]]):
        self._parts = parts
        self._squares: dict[str, Tensor] = {}
        self._wanted = False

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Listen to every parameter that is trained."""
        model: nn.Module = kwargs["model"]  # transformers hands it to every callback
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                name = name.removeprefix("module.")  # DeepSpeed's engine wraps the model
                part = "pretext" if name.startswith("pretext.") else part_of(name, self._parts)
                parameter.register_hook(partial(self._add, part))

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        """Begin anew before a step that will be logged; the others cost nothing."""
        self._wanted = (state.global_step + 1) % args.logging_steps == 0
        self._squares = {}

    def on_log(self, args, state, control, logs: dict[str, float] | None = None, **kwargs) -> None:
        """Add the norms to the log of a step."""
        if logs is not None and "loss" in logs:
            logs |= {f"grad_norm/{part}": square.sqrt().item() for part, square in self._squares.items()}

    def _add(self, part: str, gradient: Tensor) -> None:
        if self._wanted:
            # one fused pass; square and sum would take three, in every parameter of every logged step
            norm = torch.linalg.vector_norm(gradient.detach(), dtype=torch.float32)
            self._squares[part] = self._squares.get(part, 0) + norm**2
