"""Which samples a stage shows, how many steps that takes, and in which order it shows them.

An epoch (`num_train_epochs: 1`) shows as many samples as the parts of the mixture hold together, and of each part the
share that the mixture gives it: a part with a larger share than in the data comes again, one with a smaller is not
shown whole. A sample is a question with its answer, for grpo a prompt; with `exo_views: each` it is one of these with
one exo view. What cannot be shown is not counted: other splits, no frames, no exo view where views are compared, a time
that `max_frames` cannot tell. The last step is a whole one. The plan of a recipe and its training both count by
`count_steps`; where the data is not here, the recipe's `dataset_samples` stands for the count.

A stage of `max_steps` shows the contexts of a part (the frames of a clip, a window or an image) equally often, however
many questions there are about each, for a short stage learns most from different frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
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


def epoch_visits(parts: np.ndarray, questions: np.ndarray, shares: np.ndarray, *, turns: int) -> np.ndarray:
    """Return how often an epoch visits each context, on average.

    Args:
        parts: int64 [contexts], the part of the mixture that each belongs to.
        questions: int64 [contexts], how many there are about each.
        shares: float [parts], of the mixture.
        turns: most questions that a visit asks.

    Returns:
        float [contexts]; their sum is the length of an epoch in contexts.

    >>> epoch_visits(np.array([0, 0, 1]), np.array([4, 2, 2]), np.array([3.0, 1.0]), turns=2)
    array([2., 1., 1.])
    """
    samples = np.bincount(parts, weights=questions)
    times = shares / shares.sum() * questions.sum() / samples  # that an epoch shows each sample of a part
    return times[parts] * questions / np.minimum(questions, turns)


def count_steps(max_steps: int | None, epochs: float | None, *, contexts: float, batch: int) -> int:
    """Return the optimiser steps of a stage; the last is a whole one.

    Args:
        max_steps: of the recipe.
        epochs: of the recipe, in the place of `max_steps`.
        contexts: of an epoch (`epoch_visits`); not looked at where `max_steps` are given.
        batch: contexts of a step.

    Raises:
        ValueError: neither steps nor epochs came.
    """
    if max_steps is not None:
        return max_steps
    if epochs is None:
        raise ValueError("neither steps nor epochs came, one of the two is needed; mend the stage in the recipe")
    # sums of shares are right to some 12 digits, and the last one must not become a step
    return math.ceil(round(epochs * contexts / batch, 6))


@dataclass(frozen=True)
class Part:
    """A part of a stage's mixture.

    Args:
        name: `corpus/task/view`.
        samples: that the data has of it and the stage can show.
        shown: samples of it in all steps of the stage, each time counted.
        repeated: of these, the share that stood in the same batch before.
    """

    name: str
    samples: int
    shown: int
    repeated: float


def count_parts(shown: pd.DataFrame, samples: Mapping[str, int]) -> list[Part]:
    """Count what a stage shows of each part of its mixture.

    Args:
        shown: a row for each sample of each step: `part`, `step`, and the columns that make it a sample of its own.
        samples: part -> samples that the data has of it.
    """
    each = shown["part"].value_counts()
    distinct = shown.drop_duplicates()["part"].value_counts()
    return [
        Part(name, int(count), int(each.get(name, 0)), float(1 - distinct[name] / each[name]) if name in each else 0.0)
        for name, count in samples.items()
    ]


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
