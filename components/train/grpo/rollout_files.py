"""Rollouts of one optimiser step as a Parquet file, which one run writes and another learns from. No torch, no TRL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

Half = Literal["rollouts", "train"]
_REWARD = "reward/"
_STATE = "rng_state/"


class RolloutsWrittenError(Exception):
    """Ends a run that only samples; its message says where the rollouts are."""


class Rollout(NamedTuple):
    """One completion of a step.

    Args:
        sample_id: of the sample that was asked.
        generation: counts the completions of this sample in the step, from 0.
        completion_ids: token ids, with the end token.
        completion: the same as text.
        rewards: name -> value; None where it does not apply.
        advantage: that TRL computed of them.
        old_log_probs: of each token, by the policy that sampled it, at the stage's temperature.
    """

    sample_id: str
    generation: int
    completion_ids: list[int]
    completion: str
    rewards: dict[str, float | None]
    advantage: float
    old_log_probs: list[float]


def file_of(output: Path, step: int) -> Path:
    """Return the file of an optimiser step, counted from 1, below a stage's folder."""
    return output / "rollouts" / f"step-{step:06d}.parquet"


def numbered(sample_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Return the sample id and the generation of each completion of a step.

    >>> numbered(["a", "a", "b", "a"])
    [('a', 0), ('a', 1), ('b', 0), ('a', 2)]
    """
    seen: Counter[str] = Counter()
    keys = []
    for sample_id in sample_ids:
        keys.append((sample_id, seen[sample_id]))
        seen[sample_id] += 1
    return keys


def write(path: Path, rollouts: Sequence[Rollout], states: Sequence[bytes]) -> None:
    """Write the rollouts of a step.

    Args:
        path: of the file; it is there whole or not at all.
        rollouts: of all ranks, in order.
        states: of each rank's random numbers behind its sampling.
    """
    columns = {name: [getattr(each, name) for each in rollouts] for name in Rollout._fields if name != "rewards"}
    columns |= {_REWARD + name: [each.rewards[name] for each in rollouts] for name in rollouts[0].rewards}
    types = {
        "sample_id": pa.string(),
        "generation": pa.int32(),
        "completion_ids": pa.list_(pa.int32()),
        "completion": pa.string(),
        "old_log_probs": pa.list_(pa.float32()),
    }
    schema = pa.schema([(name, types.get(name, pa.float32())) for name in columns])
    schema = schema.with_metadata({f"{_STATE}{rank}": state for rank, state in enumerate(states)})
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    pq.write_table(pa.table(columns, schema=schema), half)
    half.rename(path)


def read(path: Path, keys: Sequence[tuple[str, int]], rewards: Sequence[str]) -> tuple[list[Rollout], list[bytes]]:
    """Read the rollouts of a step, joined on sample id and generation.

    Args:
        path: of the file.
        keys: that the step has, by `numbered`.
        rewards: names that the stage has.

    Returns:
        The rollouts in the order of the keys, and the states of the ranks' random numbers.

    Raises:
        ValueError: there is no such file, or it is of other samples or rewards.
    """
    if not path.is_file():
        raise ValueError(f"--train-only needs {path}, which is not there; write it by --rollouts-only")
    table = pq.read_table(path)
    named = [name.removeprefix(_REWARD) for name in table.column_names if name.startswith(_REWARD)]
    if sorted(named) != sorted(rewards):
        raise ValueError(f"{path} has the rewards {sorted(named)}, the stage has {sorted(rewards)}; {_AGAIN}")
    by_key = {}
    for row in table.to_pylist():
        values = {name: row.pop(_REWARD + name) for name in named}
        by_key[row["sample_id"], row["generation"]] = Rollout(**row, rewards=values)
    if by_key.keys() != set(keys):
        lacking, beyond = sorted(set(keys) - by_key.keys()), sorted(by_key.keys() - set(keys))
        raise ValueError(
            f"{path} holds the rollouts of another step: of {len(keys)} completions {len(lacking)} are not there "
            f"(sample id, generation: {lacking[:3]}), and {len(beyond)} belong to none ({beyond[:3]}); {_AGAIN}"
        )
    metadata = table.schema.metadata or {}
    states = [
        metadata[name] for name in (f"{_STATE}{rank}".encode() for rank in range(len(metadata))) if name in metadata
    ]
    return [by_key[key] for key in keys], states


_AGAIN = "write it again by --rollouts-only with the same recipe and data"
