"""Samples to batches: which sample at which step, and their tokens, labels and frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from components import records
from components.data.frames import FrameStore
from components.models.configuration import EgoflowConfig
from components.models.processing import EgoflowProcessor, layout, normalise, prompt

IGNORE = -100  # labels that give no loss


def tokenize(
    processor: EgoflowProcessor, visual: str, question: str, answer: str | None = None
) -> tuple[list[int], list[int]]:
    """Give (prompt ids, answer ids); the answer ends with <eos>, and is empty where none is given."""
    encode = processor.tokenizer
    asked = encode(prompt(visual, question), add_special_tokens=False)["input_ids"]
    return asked, encode(f"{answer}<eos>", add_special_tokens=False)["input_ids"] if answer is not None else []


def learned(processor: EgoflowProcessor, visual: str, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Give (ids, labels) of one question and answer; only the answer is learned."""
    asked, said = tokenize(processor, visual, question, answer)
    return asked + said, [IGNORE] * len(asked) + said


def pad(rows: list[tuple[list[int], list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Right-pad (ids, labels) rows to input_ids, attention_mask and labels, all [B, L]."""
    length = max(len(ids) for ids, _ in rows)
    input_ids = torch.full((len(rows), length), pad_id)
    labels = torch.full((len(rows), length), IGNORE)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for number, (ids, wanted) in enumerate(rows):
        input_ids[number, : len(ids)] = torch.tensor(ids)
        mask[number, : len(ids)] = 1
        labels[number, : len(ids)] = torch.tensor(wanted)
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def draw_order(
    groups: np.ndarray, weights: np.ndarray, *, steps: int, batch: int, seed: int, pool: int = 8
) -> np.ndarray:
    """Draw the samples of every step, batches of like length first among a pool, so that little is spent on padding.

    Args:
        groups: an integer for each sample; samples of one group have about one length.
        weights: probability weight of each sample.
        steps, batch: optimiser steps, and samples of each.
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


class SampleDataset(Dataset):
    """The samples of a stage in the order of its steps: item i is the sample that step i // batch sees."""

    def __init__(
        self,
        data: Path,
        mixture: dict[str, float],
        *,
        steps: int,
        batch: int,
        seed: int,
        guidance: bool,
        paired: bool,
        contract: str,
    ):
        """Open the samples and the frame store.

        Args:
            data: the data folder of the pipeline.
            mixture: `corpus/task/view` to its share of the stage; no other sample is used.
            steps, batch, seed: see `draw_order`.
            guidance: put F(x) beside x for ego samples.
            paired: give the frames of the same moment in an exo view too; only samples that have them are used.
            contract: digest of the sampling contract that the recipe's data parameters ask for.

        Raises:
            ValueError: a key of the mixture has no sample, or the shards were sampled by another contract.
        """
        table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE).to_pandas()
        table = table[table["split"] == "train"]
        keys = table["corpus"] + "/" + table["task"] + "/" + table["view"]
        usable = keys.isin(mixture.keys())
        if paired:
            usable &= table["paired"].str.len() > 0
        self.store = FrameStore(data / "frames")
        self.store.check(contract)
        usable &= table["sample_id"].map(self.store.__contains__)
        table, keys = table[usable].reset_index(drop=True), keys[usable].reset_index(drop=True)
        sizes = keys.value_counts()
        if missing := sorted(set(mixture) - set(sizes.index)):
            raise ValueError(
                f"mixture names {missing}, of which data/dataset has no training sample; mend the recipe's mixture"
            )
        self.weights = keys.map(lambda key: mixture[key] / sizes[key]).to_numpy()
        kinds = table["frame_kind"].astype("category").cat.codes.to_numpy().astype(np.int64)  # pandas counts in int8
        groups = kinds * 1000 + table["answer"].str.len().to_numpy()
        self.order = draw_order(groups, self.weights, steps=steps, batch=batch, seed=seed)
        self.samples = table.to_dict("records")
        self.guidance, self.paired = guidance, paired

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict:
        sample = self.samples[self.order[index]]
        item = {
            **sample,
            "frames": self.store.frames(sample["sample_id"]),
            "guidance": self.guidance and sample["view"] == "ego",
        }
        if self.paired:
            item["paired_frames"] = self.store.frames(sample["sample_id"], stream="paired")
        return item


class Collate:
    """Items of `SampleDataset` to the model's inputs."""

    def __init__(self, config: EgoflowConfig, processor: EgoflowProcessor):
        self.config, self.processor = config, processor

    def __call__(self, items: list[dict]) -> dict[str, torch.Tensor]:
        """Give input_ids, attention_mask, labels [B, L], pixel_values and, where paired, paired_pixel_values."""
        rows = [
            learned(
                self.processor,
                layout(self.config, item["view"], len(item["frames"]), guidance=item["guidance"]),
                item["question"],
                item["answer"],
            )
            for item in items
        ]
        batch = pad(rows, self.processor.tokenizer.pad_token_id)
        batch["pixel_values"] = normalise(np.concatenate([item["frames"] for item in items]))
        if "paired_frames" in items[0]:
            batch["paired_pixel_values"] = normalise(np.concatenate([item["paired_frames"] for item in items]))
        return batch
