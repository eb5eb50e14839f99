"""SIGTERM: the step under way is finished, a resumable checkpoint saved, and the process ends by itself."""

from __future__ import annotations

import signal

import torch
from transformers import TrainerCallback

STOPPED = 128 + signal.SIGTERM  # exit code, as shells give it


class StopOnSignal(TrainerCallback):
    """Asks for a checkpoint and the end at the first step that ends after SIGTERM; on several ranks all stop at it.

    The watchdog and DeepSpeed's launcher both send the signal, so it may come more than once.
    """

    def __init__(self):
        self.stopped = False
        self._told = False
        self._before = signal.SIG_DFL

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Listen; until here nothing would be lost."""
        self._before = signal.signal(signal.SIGTERM, self._hear)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Stop, if any rank was told to."""
        told = self._told
        if args.world_size > 1:
            # a rank that stopped alone would leave the others waiting for it
            flag = torch.tensor(float(told), device=args.device)
            torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
            told = bool(flag.item())
        if told:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Listen no more: all is saved that a new run needs."""
        signal.signal(signal.SIGTERM, self._before)

    def _hear(self, _number, _frame) -> None:
        self._told = True
