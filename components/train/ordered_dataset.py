"""What the trainers need of a stage's dataset: its order is drawn beforehand, item i belongs to step i // batch."""

from __future__ import annotations

from typing import Any, Protocol

from torch.utils.data import Dataset


class OrderedDataset(Protocol):
    """A dataset in the order of its steps.

    Args:
        steps: optimiser steps that it holds.
        batch: items of each step, over all ranks.
    """

    steps: int
    batch: int

    def __len__(self) -> int:
        """Return `steps * batch`."""
        ...

    def __getitem__(self, index: int) -> Any:
        """Return item `index`, as the stage's collate function takes it."""
        ...

    def describe(self, step: int) -> str:
        """Say in words what a step, counted from 0, learns from."""
        ...

    def samples_digest(self, steps: int) -> str | None:
        """Return what tells the samples of the first steps from others; None where their seed alone makes them."""
        ...


class SeededDataset(Dataset):
    """A dataset of a base stage, whose items are made from a seed and their index.

    Args:
        steps: optimiser steps.
        batch: items of each step.
        seed: the same seed makes the same items.
    """

    def __init__(self, *, steps: int, batch: int, seed: int):
        self.steps, self.batch, self.seed = steps, batch, seed

    def __len__(self) -> int:
        return self.steps * self.batch

    def describe(self, step: int) -> str:
        """Say in words what a step, counted from 0, learns from."""
        return f"items {step * self.batch} to {(step + 1) * self.batch - 1} of seed {self.seed}"

    def samples_digest(self, steps: int) -> None:
        """Return nothing: the seed of the recipe says what the samples are."""
