"""How a GRPO run pauses itself: with a resumable checkpoint, and a file that says why."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from components.train.grpo.pause_rules import Finding, broken_rule

PAUSED = 75  # exit code, as `supervisor.PAUSED`; the supervisor is no part of what trains


class PauseCallback(TrainerCallback):
    """Looks for a broken rule at every record; on one the trainer saves a resumable checkpoint and stops.

    Every rank looks at the same numbers, for TRL gathers them, so all ranks stop at the same step.

    Args:
        accuracy: the stage's rewards that say whether the answer is right.
        rewards: those with a weight that are no rare ones (`judge.mixture.common`).
        limits: the other arguments of `broken_rule`, by name.
    """

    def __init__(self, accuracy: Collection[str], rewards: Collection[str], limits: Mapping[str, Any]):
        self.accuracy, self.rewards, self.limits = accuracy, rewards, limits
        self.finding: Finding | None = None

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Look at the trainer's history, which holds the records from before an interruption too."""
        if logs and "loss" in logs:
            self.finding = broken_rule(state.log_history, accuracy=self.accuracy, rewards=self.rewards, **self.limits)
            if self.finding:
                control.should_save = control.should_training_stop = True


def write(output: Path, finding: Finding, stage: str) -> None:
    """Write paused.json into the checkpoint folder; `plan.pause_of` reads it.

    Args:
        output: checkpoint folder.
        finding: why the run pauses.
        stage: name of the stage.
    """
    evidence = {"message": finding.message(stage), **asdict(finding)}
    (output / "paused.json").write_text(json.dumps(evidence, indent=2) + "\n")
