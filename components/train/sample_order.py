"""Which samples a stage uses, how many steps it has, and in which order it meets them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.frames.store import FrameStore


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


def count_steps(steps: int | None, epochs: float | None, *, samples: int, batch: int) -> int:
    """Return the optimiser steps of a stage; the last of an epoch is a whole one."""
    if steps is not None:
        return steps
    if epochs is None:
        raise ValueError("neither steps nor epochs came, one of the two is needed; mend the stage in the recipe")
    return math.ceil(epochs * samples / batch)


def usable(samples: pa.Table, store: FrameStore, mixture: dict[str, float], *, seed: int, paired: bool) -> pa.Table:
    """Return the training samples of a mixture that have frames, shuffled.

    Args:
        samples: rows of `records.SAMPLE`.
        store: of their frames.
        mixture: whose keys they have.
        seed: of their order.
        paired: whether they must have an exo view.

    Raises:
        ValueError: a key of the mixture has no such sample.
    """
    table = samples.select(["sample_id", "corpus", "task", "view", "split"]).to_pandas()
    keys = table["corpus"] + "/" + table["task"] + "/" + table["view"]
    fits = (table["split"] == "train") & keys.isin(mixture.keys()) & store.holds(table["sample_id"])
    if paired:
        fits &= pc.list_value_length(samples["paired"]).to_numpy() > 0
    if missing := sorted(set(mixture) - set(keys[fits])):
        raise ValueError(
            f"mixture names {missing}, of which data/dataset has no training sample{' with an exo view' * paired}; "
            "mend the recipe's mixture"
        )
    # shuffled, or the first question about a frame would always be about what its annotator drew first
    rows = table.index[fits].to_series().sample(frac=1, random_state=seed)
    return samples.take(pa.array(rows)).combine_chunks()
