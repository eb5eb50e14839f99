"""When a GRPO run pauses itself, or does not even begin.

It pauses when the format reward rises at the cost of a reward for right answers, when the policy's KL to the reference
is too high, when completions become short or are cut at their greatest length, and when there is nothing to learn from:
all completions of a prompt earn the same, or a reward applies to none. The decision is a pure function of the logged
records. What a batch repeats is known before the first step, so it is refused there.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.train.sample_order import Part

COMMON = 0.1  # share of a stage's samples from which on a reward is missed where it applies to none for long
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
    rewards: Collection[str],
    window_records: int,
    max_reward_trade: float,
    max_kl: float,
    min_length_share: float,
    max_truncated_share: float,
    max_equal_groups_share: float,
    max_unapplied_records: int,
) -> Finding | None:
    """Return the first rule that the newest records of a run break; None where they break none.

    Args:
        records: what was logged, with `step`, oldest first; a metric may be missing or None.
        accuracy: rewards that say whether the answer is right.
        rewards: those that are missed where they apply to no completion.
        window_records: records that are looked at; while there are fewer, only the KL and unapplied rewards count.
        max_reward_trade: the format reward may not rise by more than this while a reward of `accuracy` falls by more
            than this, from the older to the newer half of the window.
        max_kl: highest median KL of the last three records.
        min_length_share: least mean completion length of the window, as a share of that of the run's first window.
        max_truncated_share: greatest share of completions cut at the longest length, mean over the window.
        max_equal_groups_share: greatest share of prompts whose completions all earn the same, which one record of the
            window at least must keep.
        max_unapplied_records: newest records in a row in which a reward may apply to no completion.

    Returns:
        The finding for the broken rule.
    """
    if not records:
        return None
    found = _far_from_reference(records[-_KL_RECORDS:], max_kl)
    found = found or _unapplied(records[-max_unapplied_records - 1 :], rewards, max_unapplied_records)
    recent = records[-window_records:]
    if found or len(recent) < window_records:
        return found
    return (
        _traded(recent, accuracy, max_reward_trade)
        or _short(recent, records[:window_records], min_length_share)
        or _truncated(recent, max_truncated_share)
        or _equal_groups(recent, max_equal_groups_share)
    )


def _far_from_reference(newest: Sequence[Record], limit: float) -> Finding | None:
    kls = _values(newest, "kl")
    if not kls or (found := statistics.median(kls)) <= limit:
        return None
    came = f"a KL to the reference of {found:.3g}"
    return Finding("max_kl", _step(newest), came, f"{limit:g} at most", {"kl": kls})


def _unapplied(newest: Sequence[Record], rewards: Collection[str], limit: int) -> Finding | None:
    silent = {f"rewards/{name}/mean": name for name in sorted(rewards)}
    silent = {metric: name for metric, name in silent.items() if not _values(newest, metric)}
    if not silent or len(newest) <= limit:
        return None
    came = f"{len(newest)} records in which {' and '.join(silent.values())} applied to no completion"
    allowed = f"{limit} at most for a reward with a weight: it must be one for the samples of the mixture"
    return Finding("max_unapplied_records", _step(newest), came, allowed, {metric: [] for metric in silent})


def _traded(recent: Sequence[Record], accuracy: Collection[str], limit: float) -> Finding | None:
    format_rewards = _values(recent, "rewards/format/mean")
    for name in sorted(accuracy):
        accuracy_rewards = _values(recent, f"rewards/{name}/mean")
        rise, fall = _change(format_rewards), -_change(accuracy_rewards)
        if rise > limit and fall > limit:
            came = f"the format reward rose by {rise:.3f} while {name} fell by {fall:.3f} over {len(recent)} records"
            numbers = {"rewards/format/mean": format_rewards, f"rewards/{name}/mean": accuracy_rewards}
            return Finding("max_reward_trade", _step(recent), came, f"{limit:g} at most for one of them", numbers)
    return None


def _short(recent: Sequence[Record], first: Sequence[Record], limit: float) -> Finding | None:
    lengths, before = (_values(some, "completions/mean_length") for some in (recent, first))
    if not lengths or not before or (now := statistics.fmean(lengths)) >= limit * (then := statistics.fmean(before)):
        return None
    came, allowed = f"completions of {now:.1f} tokens, after {then:.1f} at the start", f"{limit:g} of it at least"
    return Finding("min_length_share", _step(recent), came, allowed, {"completions/mean_length": lengths})


def _truncated(recent: Sequence[Record], limit: float) -> Finding | None:
    clipped = _values(recent, "completions/clipped_ratio")
    if not clipped or (share := statistics.fmean(clipped)) <= limit:
        return None
    came, allowed = f"a share of {share:.3f} of the completions cut at max_completion_length", f"{limit:g} at most"
    return Finding("max_truncated_share", _step(recent), came, allowed, {"completions/clipped_ratio": clipped})


def _equal_groups(recent: Sequence[Record], limit: float) -> Finding | None:
    shares = _values(recent, "frac_reward_zero_std")
    if len(shares) < len(recent) or (least := min(shares)) <= limit:
        return None
    came = f"{len(recent)} records in each of which all completions of a prompt earned the same, for a share of "
    came += f"{least:.3f} of the prompts or more, and taught nothing"
    allowed = f"a share of {limit:g} in one of them at most"
    return Finding("max_equal_groups_share", _step(recent), came, allowed, {"frac_reward_zero_std": shares})


def _step(records: Sequence[Record]) -> int:
    return int(records[-1]["step"] or 0)


def _values(records: Sequence[Record], name: str) -> list[float]:
    return [float(value) for record in records if (value := record.get(name)) is not None]


def _change(values: list[float]) -> float:
    """Return the mean of the newer half less that of the older."""
    half = len(values) // 2
    return statistics.fmean(values[-half:]) - statistics.fmean(values[:half]) if half else 0.0


def repetition(parts: Iterable[Part], *, max_repeated_share: float) -> str | None:
    """Return which parts of a mixture repeat their prompts within a batch too often, in words; None where none does.

    A prompt that stands twice in a batch is one larger group, and takes the place of another prompt.

    Args:
        parts: of the stage's mixture, counted in the order of its steps.
        max_repeated_share: of a part's prompts, the share that may have stood in the same batch before.
    """
    told = [
        f"{part.repeated:.0%} of those of {part.name} (of which the data has {part.samples:,})"
        for part in parts
        if part.repeated > max_repeated_share
    ]
    if not told:
        return None
    return (
        f"prompts that stand in their batch a second time: {'; '.join(told)}; allowed is a share of "
        f"{max_repeated_share:g} at most. Lower `train_batch_size` or the part's share in `mixture`, bring more data, "
        "or raise `grpo.pause_rules.max_repeated_share`"
    )
