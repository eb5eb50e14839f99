"""Samples to batches: which frames at which step, and the questions about them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from components import records
from components.data.frames.store import FrameStore
from components.models.configuration import EgoflowConfig
from components.models.processing import EgoflowProcessor, layout, normalise
from components.train import feature_cache
from components.train.packing import pad, row


def draw_order(
    groups: np.ndarray, weights: np.ndarray, *, steps: int, batch: int, seed: int, pool: int = 8
) -> np.ndarray:
    """Draw the samples of every step, batches of like length first among a pool, so that little is spent on padding.

    Args:
        groups: an integer for each sample; samples of one group have about one length.
        weights: probability weight of each sample.
        steps: optimiser steps.
        batch: samples of each step.
        seed: the same seed gives the same order, whatever the number of ranks.
        pool: batches that are drawn together and sorted by group.

    Returns:
        int64 [steps * batch], indices into the samples; every weighted sample comes before any comes twice, as far as
        its weight allows.
    """
    rng = np.random.default_rng((seed, 5))
    share = weights / weights.sum()
    wanted = steps * batch
    # whole copies first, then the fractional rest by chance: an even coverage instead of independent draws
    expected = share * wanted
    counts = np.floor(expected).astype(int)
    counts += rng.random(len(counts)) < expected - counts
    drawn = np.repeat(np.arange(len(groups)), counts)
    if len(drawn) < wanted:
        drawn = np.concatenate([drawn, rng.choice(len(groups), wanted - len(drawn), p=share)])
    drawn = rng.permutation(drawn)[:wanted]
    order = []
    for start in range(0, wanted, pool * batch):
        block = drawn[start : start + pool * batch]
        block = block[np.argsort(groups[block], kind="stable")]
        batches = [block[i : i + batch] for i in range(0, len(block), batch)]
        order += [batches[i] for i in rng.permutation(len(batches))]
    return np.concatenate(order)


def _count_steps(steps: int | None, epochs: float | None, *, samples: int, batch: int) -> int:
    """Return the optimiser steps of a stage; the last of an epoch is a whole one."""
    if steps is not None:
        return steps
    if epochs is None:
        raise ValueError("neither steps nor epochs came, one of the two is needed; mend the stage in the recipe")
    return math.ceil(epochs * samples / batch)


class SampleDataset(Dataset):
    """The frames of a stage in the order of its steps, each with questions: item i is what step i // batch sees."""

    def __init__(
        self,
        data: Path,
        mixture: dict[str, float],
        *,
        steps: int | None,
        batch: int,
        epochs: float | None = None,
        turns: int = 1,
        seed: int,
        guidance: bool,
        paired: bool,
        contract: str,
        shown: Callable[[dict], dict] | None = None,
    ):
        """Open the samples and the frame store.

        Args:
            data: the data folder of the pipeline.
            mixture: `corpus/task/view` to its share of the stage; no other sample is used.
            steps: optimiser steps; None: `epochs` says how many.
            batch: frames (clips, images, windows) of each step.
            seed: of the order.
            epochs: instead of `steps`, how often all usable frames are seen on average; the last step is a whole one.
            turns: most questions about the same frames; when frames come again, other questions do.
            guidance: put F(x) beside x for ego samples.
            paired: give the frames of the same moment in an exo view too; only samples that have them are used.
            contract: digest of the sampling contract that the recipe's data parameters ask for.
            shown: makes of an item what a model is shown that takes it otherwise; can be pickled.

        Raises:
            ValueError: a key of the mixture has no sample, the shards were sampled by another contract, or neither
                `steps` nor `epochs` came.
        """
        table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE).to_pandas()
        table = table[table["split"] == "train"]
        keys = table["corpus"] + "/" + table["task"] + "/" + table["view"]
        usable = keys.isin(mixture.keys())
        if paired:
            usable &= table["paired"].str.len() > 0
        self.store = FrameStore(data / "frames")
        self.store.check(contract)
        usable &= self.store.holds(table["sample_id"])
        # shuffled, or the first question about a frame would always be about what its annotator drew first
        table = table[usable].sample(frac=1, random_state=seed)
        keys = keys[table.index].reset_index(drop=True)
        table = table.reset_index(drop=True)
        sizes = keys.value_counts()
        if missing := sorted(set(mixture) - set(sizes.index)):
            raise ValueError(
                f"mixture names {missing}, of which data/dataset has no training sample; mend the recipe's mixture"
            )
        frames = pd.factorize(keys + table["media"].astype(str))[0]
        self.questions = list(pd.Series(frames).groupby(frames).indices.values())
        first = np.array([rows[0] for rows in self.questions])
        each = keys.iloc[first]
        self.weights = each.map(mixture).to_numpy() / each.map(each.value_counts()).to_numpy()
        kinds = table["frame_kind"].astype("category").cat.codes.to_numpy().astype(np.int64)  # pandas counts in int8
        lengths = table["answer"].str.len().to_numpy()
        groups = kinds[first] * 10_000 + np.array([lengths[rows[:turns]].sum() for rows in self.questions])
        self.batch = batch
        self.steps = _count_steps(steps, epochs, samples=len(self.questions), batch=batch)
        self.order = draw_order(groups, self.weights, steps=self.steps, batch=batch, seed=seed)
        self.times = pd.Series(self.order).groupby(self.order).cumcount().to_numpy()  # how often the frames came before
        self.samples, self.turns = table.to_dict("records"), turns
        self.guidance, self.paired, self.shown = guidance, paired, shown
        self.features: feature_cache.FeatureCache | None = None  # of a stage whose exo tower is frozen
        schedule = {"steps": steps, "epochs": epochs, "batch": batch, "turns": turns, "seed": seed}
        seen = {"guidance": guidance, "paired": paired, "contract": contract, "shown": shown}
        self._made_of = (data, mixture), schedule | seen

    def __reduce__(self) -> tuple:
        # `datasets` pickles what it transforms, to name its cache: rows would take seconds, and minutes at scale
        given, named = self._made_of
        return partial(SampleDataset, **named), given

    def __len__(self) -> int:
        return len(self.order)

    def asked(self, index: int) -> list[dict]:
        """Return the samples whose questions are asked about the frames of an item, in turn."""
        rows = self.questions[self.order[index]]
        begin = self.times[index] * self.turns
        return [self.samples[rows[(begin + turn) % len(rows)]] for turn in range(min(self.turns, len(rows)))]

    def exo_frames(self, tubelet_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Say which exo frames the items show, in the order of the training.

        Args:
            tubelet_frames: frames that the encoder reads at once.

        Returns:
            A text for the exo frames of every item (str [items]), equal for equal frames; and how many grids the
            encoder makes of them (int64 [items]).
        """
        samples = [self.asked(index)[0] for index in range(len(self))]
        shown = np.array([f"{sample['frame_kind']} {list(sample['paired'])}" for sample in samples], dtype=object)
        counts = {
            kind: self.store.contract[f"{kind}_frames"] // tubelet_frames
            for kind in {sample["frame_kind"] for sample in samples}
        }
        return shown, np.array([counts[sample["frame_kind"]] for sample in samples])

    def ids(self, step: int) -> list[list[str]]:
        """Return the sample ids of each item of an optimiser step, counted from 0."""
        items = range(step * self.batch, (step + 1) * self.batch)
        return [[sample["sample_id"] for sample in self.asked(index)] for index in items]

    def describe(self, step: int) -> str:
        """Say in words what a step, counted from 0, learns from."""
        return f"sample ids {', '.join(sample for item in self.ids(step) for sample in item)}"

    def samples_digest(self, steps: int) -> str:
        """Return the sha256 of which samples the first `steps` optimiser steps learn from, in their order.

        Hashed is a line for each item, its step and its sample ids with tabs between them: whatever the number of
        ranks, runs that learned from the same samples in the same order have the same digest.
        """
        digest = hashlib.sha256()
        for step in range(steps):
            for ids in self.ids(step):
                digest.update(("\t".join([str(step), *ids]) + "\n").encode())
        return digest.hexdigest()

    def __getitem__(self, index: int) -> dict:
        asked = self.asked(index)
        sample = asked[0]
        item = {
            **sample,
            "turns": [(each["question"], each["answer"]) for each in asked],
            "frames": self.store.frames(sample["sample_id"]),
            "guidance": self.guidance and sample["view"] == "ego",
        }
        if self.paired:
            item |= self.features.item(index) if self.features else {}
            if "paired_grids" not in item:
                item["paired_frames"] = self.store.frames(sample["sample_id"], stream="paired")
        return self.shown(item) if self.shown else item


class Collate:
    """Items of `SampleDataset` to the model's inputs."""

    def __init__(self, config: EgoflowConfig, processor: EgoflowProcessor):
        self.config, self.processor = config, processor

    def __call__(self, items: list[dict]) -> dict[str, torch.Tensor]:
        """Return what `packing.pad` gives, pixel_values and, where paired, what `features.collate` gives.

        An item without frames is text alone; a batch of such items has no pixel_values.
        """
        rows = [
            row(
                self.processor,
                layout(self.config, item["view"], len(item["frames"]), guidance=item["guidance"])
                if len(item["frames"])
                else "",
                item["turns"],
            )
            for item in items
        ]
        batch = pad(rows, self.processor.tokenizer.pad_token_id)
        if shown := [item["frames"] for item in items if len(item["frames"])]:
            batch["pixel_values"] = normalise(np.concatenate(shown))
        if "paired_frames" in items[0] or "paired_grids" in items[0]:
            batch |= feature_cache.collate(items, self.config.tubelet_frames)
        return batch
