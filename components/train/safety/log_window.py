"""What a trainer has summed since its last record goes on after a resume, so that no point of a curve is bent.

A record is a mean over some steps, and a checkpoint may be saved between two records: `save_steps` need be no multiple
of `logging_steps`, and SIGTERM comes when it likes. transformers begins such a mean anew, TRL too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

_FILE = "log_window_{}.json"  # in a resumable checkpoint, one of each rank


class LogWindow(Trainer):
    """A mixin that saves the sums of the record to come beside each checkpoint, and takes them up again.

    `_run_epoch`, `_save_rng_state`, `_tr_loss` and `_globalstep_last_logged` are private to transformers 5.23.0.
    """

    def window(self) -> dict[str, Any]:
        """Return what JSON can hold of the sums since the last record; trainers that sum more add it."""
        return {"last_logged": self._globalstep_last_logged, "loss": self._tr_loss.item()}

    def reopen(self, window: dict[str, Any]) -> None:
        """Go on from what `window` returned."""
        self._globalstep_last_logged = window["last_logged"]
        self._tr_loss = torch.full_like(self._tr_loss, window["loss"])

    def _run_epoch(self, *given, **others) -> None:
        # here transformers has set its own sums to zero, and no step was taken yet
        if others["epoch"] == others["epochs_trained"] and (checkpoint := others["resume_from_checkpoint"]):
            self._take_up(Path(checkpoint))
        super()._run_epoch(*given, **others)

    def _take_up(self, checkpoint: Path) -> None:
        windows = [json.loads(path.read_text()) for path in sorted(checkpoint.glob(_FILE.format("*")))]
        if len(windows) == self.args.world_size:
            self.reopen(json.loads((checkpoint / _FILE.format(self.args.process_index)).read_text()))
        elif windows:  # of another number of ranks: the record will hold the mean over them
            loss = sum(window["loss"] for window in windows) / len(windows)
            self.reopen({**windows[0], "loss": loss})

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)  # makes the folder where rank 0 has not yet
        # `FiniteChecks` waits for all ranks behind this, and notes the sizes of all files
        (Path(output_dir) / _FILE.format(self.args.process_index)).write_text(json.dumps(self.window()))
