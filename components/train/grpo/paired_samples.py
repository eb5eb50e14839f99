"""Prompts in pairs: the same query of the ego and of the exo view next to each other (View-GRPO, systems §5.2)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.records.view_pairs import COLUMNS, view_pairs
from components.train.dataset import SampleDataset
from components.train.sample_order import count_steps, draw_order, epoch_visits

logger = logging.getLogger(__name__)


class PairedSamples(SampleDataset):
    """The samples of a stage in the order of its steps: item 2k asks a query of its ego view, item 2k + 1 of its exo.

    Samples of which the other view is not asked are left out, and counted. An item has `query`, equal for both.

    Raises:
        ValueError: as `SampleDataset`; or no query of a part of the mixture is asked of both views.
    """

    def __init__(
        self,
        data: Path,
        mixture: dict[str, float],
        *,
        steps: int | None,
        batch: int,
        seed: int,
        epochs: float | None = None,
        **others: Any,
    ):
        """Open the samples as `SampleDataset` does, and draw pairs of them.

        Args:
            data: the data folder of the pipeline.
            mixture: `corpus/task/view` to its share, equal for both views of a task.
            steps: optimiser steps; None: `epochs` says how many.
            batch: prompts of each step, of both views together.
            seed: of the order.
            epochs: instead of `steps`.
            others: what else `SampleDataset` takes.
        """
        super().__init__(data, mixture, steps=steps, batch=batch, seed=seed, epochs=epochs, **others)
        keys = self.samples.select(["corpus", "task", "view"]).to_pandas().agg("/".join, axis=1)
        pairs = self._pairs(keys)
        part_of_row, self.parts = pd.factorize(keys)
        self.samples_of = np.bincount(part_of_row[pairs.ravel()])
        tasks, names = pd.factorize(keys.iloc[pairs[:, 0]])
        weights = epoch_visits(tasks, np.ones(len(pairs)), np.array([mixture[name] for name in names]), turns=1)
        self.steps = count_steps(steps, epochs, contexts=weights.sum(), batch=batch // 2)
        kinds = self.samples["frame_kind"].to_pandas().astype("category").cat.codes.to_numpy()
        drawn = draw_order(kinds[pairs[:, 0]], weights, steps=self.steps, batch=batch // 2, seed=seed)
        self.order = pairs[drawn].ravel()
        self.part = part_of_row[self.order]
        # an item is one sample, not frames with several questions
        self.questions = list(np.arange(len(self.samples))[:, None])
        self.times = self.exo_view = np.zeros(len(self.order), dtype=np.int64)

    def _pairs(self, keys: pd.Series) -> np.ndarray:
        """Return the rows of the ego and of the exo sample of each query, int64 [pairs, 2]."""
        pairs, alone = view_pairs(self.samples.select(list(COLUMNS)).to_pylist())
        left_out = keys.iloc[alone].value_counts()
        for key, count in keys.value_counts().items():
            unpaired = left_out.get(key, 0)
            if unpaired == count:
                raise ValueError(
                    f"none of the {count} samples of {key} has its query asked of the other view too, and "
                    "`grpo.paired_views` shows pairs alone; name a task in the mixture that is asked of both views"
                )
            logger.info("%s: %d of %d samples are left out, for the other view is not asked", key, unpaired, count)
        return np.array(pairs)

    def __getitem__(self, index: int) -> dict:
        ego_row = int(self.order[index // 2 * 2])
        return super().__getitem__(index) | {"query": self.samples["sample_id"][ego_row].as_py()}
