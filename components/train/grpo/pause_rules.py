"""When a GRPO run pauses itself.

It does when the format reward rises at the cost of a reward for right answers, when the policy's KL to the reference is
too high, and when completions become short or are cut at their greatest length. The decision is a pure function of the
logged records; on a broken rule the callback has a resumable checkpoint saved and stops the training.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

PAUSED = 75  # exit code, as `launch.PAUSED`; the launcher is no part of what trains
_KL_RECORDS = 3  # the estimator of the KL has heavy tails: a single record may be far off

Record = Mapping[str, float | None]


@dataclass(frozen=True)
class Finding:
    """Why a run pauses.

    Args:
        limit: the value under `grpo.pause_rules` of the recipe that was broken.
        step: optimiser step of the newest record.
        came: what was found, in words.
        allowed: what the rule allows, in words.
        numbers: metric -> its values in the records that the rule looked at.
    """

    limit: str
    step: int
    came: str
    allowed: str
    numbers: dict[str, list[float]]

    def message(self, stage: str) -> str:
        """Return a text with what came, what is allowed and where to change it.

        Args:
            stage: name of the stage.
        """
        return (
            f"stage {stage!r} paused itself at step {self.step}: {self.came}; allowed is {self.allowed}."
            f"\nLook at its curves and rollouts, and mend the recipe. Or change `grpo.pause_rules.{self.limit}` of the "
            f"stage there (`pause_rules: null` ends the watching) and run again: it goes on from step {self.step}."
        )


def broken_rule(
    records: Sequence[Record],
    *,
    accuracy: Collection[str],
    window_records: int,
    max_reward_trade: float,
    max_kl: float,
    min_length_share: float,
    max_truncated_share: float,
) -> Finding | None:
    """Return the first rule that the newest records of a run break; None where they break none.

    Args:
        records: what was logged, with `step`, oldest first; a metric may be missing or None.
        accuracy: rewards that say whether the answer is right.
        window_records: records that are looked at; while there are fewer, only the rule about the KL counts.
        max_reward_trade: the format reward may not rise by more than this while a reward of `accuracy` falls by more
            than this, from the older to the newer half of the window.
        max_kl: highest median KL of the last three records.
        min_length_share: least mean completion length of the window, as a share of that of the run's first window.
        max_truncated_share: greatest share of completions cut at the longest length, mean over the window.

    Returns:
        The finding for the broken rule.
    """
    recent, step = records[-window_records:], int(records[-1]["step"] or 0) if records else 0
    kls = _values(records[-_KL_RECORDS:], "kl")
    if kls and (found := statistics.median(kls)) > max_kl:
        return Finding("max_kl", step, f"a KL to the reference of {found:.3g}", f"{max_kl:g} at most", {"kl": kls})
    if len(recent) < window_records:
        return None
    format_rewards = _values(recent, "rewards/format/mean")
    for name in sorted(accuracy):
        accuracy_rewards = _values(recent, f"rewards/{name}/mean")
        rise, fall = _change(format_rewards), -_change(accuracy_rewards)
        if rise > max_reward_trade and fall > max_reward_trade:
            came = f"the format reward rose by {rise:.3f} while {name} fell by {fall:.3f} over {window_records} records"
            numbers = {"rewards/format/mean": format_rewards, f"rewards/{name}/mean": accuracy_rewards}
            return Finding("max_reward_trade", step, came, f"{max_reward_trade:g} at most for one of them", numbers)
    lengths, first = (_values(some, "completions/mean_length") for some in (recent, records[:window_records]))
    if lengths and (now := statistics.fmean(lengths)) < min_length_share * (
        before := statistics.fmean(first or lengths)
    ):
        came = f"completions of {now:.1f} tokens, after {before:.1f} at the start"
        return Finding(
            "min_length_share", step, came, f"{min_length_share:g} of it at least", {"completions/mean_length": lengths}
        )
    clipped = _values(recent, "completions/clipped_ratio")
    if clipped and (share := statistics.fmean(clipped)) > max_truncated_share:
        came = f"a share of {share:.3f} of the completions cut at max_completion_length"
        return Finding(
            "max_truncated_share",
            step,
            came,
            f"{max_truncated_share:g} at most",
            {"completions/clipped_ratio": clipped},
        )
    return None


def _values(records: Sequence[Record], name: str) -> list[float]:
    return [float(value) for record in records if (value := record.get(name)) is not None]


def _change(values: list[float]) -> float:
    """Return the mean of the newer half less that of the older."""
    half = len(values) // 2
    return statistics.fmean(values[-half:]) - statistics.fmean(values[:half]) if half else 0.0


class PauseCallback(TrainerCallback):
    """Looks for a broken rule at every record; on one the trainer saves a resumable checkpoint and stops.

    Every rank looks at the same numbers, for TRL gathers them, so all ranks stop at the same step.

    Args:
        accuracy: the stage's rewards that say whether the answer is right.
        limits: the other arguments of `broken_rule`, by name.
    """

    def __init__(self, accuracy: Collection[str], limits: Mapping[str, Any]):
        self.accuracy, self.limits = accuracy, limits
        self.finding: Finding | None = None

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Look at the trainer's history, which holds the records from before an interruption too."""
        if logs and "loss" in logs:
            self.finding = broken_rule(state.log_history, accuracy=self.accuracy, **self.limits)
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
