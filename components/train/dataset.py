"""Samples to batches: which frames at which step, and the questions about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Dataset

from components import records
from components.data.frames.store import FrameStore
from components.data.frames.times import frame_times
from components.models.configuration import EgoflowConfig
from components.models.processing import EgoflowProcessor, layout, normalise
from components.prompts import asked_question, reasons, taught_answer
from components.train import feature_cache
from components.train.borrowed_frames import BorrowedFrames, places
from components.train.packing import Row, pad, row
from components.train.sample_order import Part, count_parts, count_steps, draw_order, epoch_visits, usable


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
        reasoned: bool = False,
        exo_views: Literal["draw", "each"] | None,
        contract: str,
        shown: Callable[..., dict] | None = None,
        leave_out: Callable[[pa.Table, dict[str, float]], pa.Table] | None = None,
        distilled: Path | None = None,
        video_last: float = 0.0,
        ego_twins: bool = False,
    ):
        """Open the samples and the frame store.

        Args:
            data: the data folder of the pipeline.
            mixture: `corpus/task/view` to its share of the stage; no other sample is used.
            steps: optimiser steps; None: `epochs` says how many.
            batch: contexts (frames of a clip, an image or a window) of each step.
            seed: of the order.
            epochs: instead of `steps`; what an epoch is, sample_order.py says.
            turns: most questions about the same frames; when frames come again, other questions do.
            reasoned: ask every closed question for a thought and a letter, not only chains of thought.
            exo_views: give the frames of the same moment in an exo view too; only samples that have one are used.
                `draw`: frames come in another view each time, until all were met; `each`: frames with each of their
                views are items of their own. None: no exo view is given.
            contract: digest of the sampling contract that the recipe's data parameters ask for.
            shown: makes of an item, and of the samples `asked` about it, what a model is shown that takes it otherwise;
                can be pickled.
            leave_out: takes the samples and the mixture, returns the samples that may be used; can be pickled.
            distilled: table of more samples, which a teacher answered; their frames are those of the samples that they
                were made from.
            video_last: share of the items whose frames stand behind the question.
            ego_twins: give the ego frames of the segment too that a teacher answered about; of `distilled` alone.

        Raises:
            ValueError: a key of the mixture has no sample, the shards were sampled by another contract, or neither
                `steps` nor `epochs` came.
        """
        table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE)
        if distilled is None:
            self.store = FrameStore(data / "frames")
        else:
            made = records.read_table(distilled, records.SAMPLE)
            self.store = BorrowedFrames(data / "frames", places(table, made))
            table = pa.concat_tables([table, made])
        self.store.check(contract)
        table = leave_out(table, mixture) if leave_out else table
        self.samples = usable(table, self.store, mixture, seed=seed, paired=exo_views is not None)
        table = self.samples.select(["corpus", "task", "view", "frame_kind", "answer"]).to_pandas()
        keys = table["corpus"] + "/" + table["task"] + "/" + table["view"]
        frames = pd.factorize(keys + pd.Series(map(str, self.samples["media"].to_pylist()), dtype=str))[0]
        self.questions = list(pd.Series(frames).groupby(frames).indices.values())
        self.first = np.array([rows[0] for rows in self.questions])  # its exo views are those of the frames
        views = pc.list_value_length(self.samples["paired"]).to_numpy()[self.first]
        self.pairs = exo_views == "each"
        # what comes as an item: the frames, or each pair of frames and exo view
        met = np.repeat(np.arange(len(views)), views if self.pairs else 1)
        parts, self.parts = pd.factorize(keys.iloc[self.first[met]])
        shares = np.array([mixture[part] for part in self.parts])
        questions = np.array([len(rows) for rows in self.questions])[met]
        self.samples_of = np.bincount(parts, weights=questions).astype(int)  # of each part
        if epochs is None:
            weights = shares[parts] / np.bincount(parts)[parts]
        else:
            weights = epoch_visits(parts, questions, shares, turns=turns)
        kinds = table["frame_kind"].astype("category").cat.codes.to_numpy().astype(np.int64)  # pandas counts in int8
        lengths = table["answer"].str.len().to_numpy()
        groups = kinds[self.first] * 10_000 + np.array([lengths[rows[:turns]].sum() for rows in self.questions])
        self.batch, self.turns = batch, turns
        self.steps = count_steps(steps, epochs, contexts=weights.sum(), batch=batch)
        drawn = draw_order(groups[met], weights, steps=self.steps, batch=batch, seed=seed)
        self.order, self.part = met[drawn], parts[drawn]
        self.exo_view = pd.Series(met).groupby(met).cumcount().to_numpy()[drawn]  # of each item, its place in `paired`
        # how often it came before; other views of the same frames begin with other questions
        self.times = pd.Series(drawn).groupby(drawn).cumcount().to_numpy() + self.exo_view
        if exo_views == "draw":
            begin = np.random.default_rng((seed, 6)).integers(views)
            self.exo_view = (begin[self.order] + self.times) % views[self.order]
        self.video_last = np.random.default_rng((seed, 7)).random(len(self.order)) < video_last
        self.reasoned, self.paired, self.shown = reasoned, exo_views is not None, shown
        self.ego_twins = ego_twins
        self.features: feature_cache.FeatureCache | None = None  # of a stage whose exo tower is frozen
        schedule = {"steps": steps, "epochs": epochs, "batch": batch, "turns": turns, "seed": seed}
        seen = {"reasoned": reasoned, "exo_views": exo_views, "contract": contract}
        made_of = {"shown": shown, "leave_out": leave_out, "distilled": distilled, "video_last": video_last}
        made_of |= {"ego_twins": ego_twins}
        self._made_of = (data, mixture), schedule | seen | made_of

    def __reduce__(self) -> tuple:
        # `datasets` pickles what it transforms, to name its cache: rows would take seconds, and minutes at scale
        given, named = self._made_of
        return partial(type(self), **named), given

    def __len__(self) -> int:
        return len(self.order)

    def asked(self, index: int) -> list[dict]:
        """Return the samples whose questions are asked about the frames of an item, in turn."""
        return list(records.rows(self.samples, self._asked(index)))

    def _asked(self, index: int) -> list[int]:
        rows = self.questions[self.order[index]]
        begin = self.times[index] * self.turns
        return [int(rows[(begin + turn) % len(rows)]) for turn in range(min(self.turns, len(rows)))]

    def mixture_parts(self) -> list[Part]:
        """Return how many samples the data has of each part of the mixture, and how often the steps show them."""
        counts = np.array([len(rows) for rows in self.questions])[self.order]
        item, turn = np.nonzero(np.arange(self.turns) < counts[:, None])
        sample = {"frames": self.order[item], "question": (self.times[item] * self.turns + turn) % counts[item]}
        if self.pairs:
            sample["exo_view"] = self.exo_view[item]
        shown = pd.DataFrame({"part": self.parts[self.part[item]], "step": item // self.batch, **sample})
        return count_parts(shown, dict(zip(self.parts, self.samples_of, strict=True)))

    def exo_frames(self, tubelet_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Say which exo frames the items show, in the order of the training.

        Args:
            tubelet_frames: frames that the encoder reads at once.

        Returns:
            A text for the exo frames of every item (str [items]), equal for equal frames; and how many grids the
            encoder makes of them (int64 [items]).
        """
        of_frames = self.samples.select(["frame_kind", "paired"]).take(pa.array(self.first)).to_pylist()
        counts = {
            kind: self.store.contract[f"{kind}_frames"] // tubelet_frames
            for kind in {each["frame_kind"] for each in of_frames}
        }
        items = [(of_frames[frames], view) for frames, view in zip(self.order, self.exo_view, strict=True)]
        shown = np.array([f"{each['frame_kind']} {each['paired'][view]}" for each, view in items], dtype=object)
        return shown, np.array([counts[each["frame_kind"]] for each, _ in items])

    def ids(self, step: int) -> list[list[str]]:
        """Return the sample ids of each item of an optimiser step, counted from 0."""
        items = range(step * self.batch, (step + 1) * self.batch)
        return [[self.samples["sample_id"][row].as_py() for row in self._asked(index)] for index in items]

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
        asked: list[dict] = [each | {"reasoned": reasons(each, reasoned=self.reasoned)} for each in self.asked(index)]
        sample = asked[0]
        frames = self.store.frames(sample["sample_id"])
        times_s = frame_times(sample["media"], len(frames))
        item = {
            **sample,
            "turns": [(asked_question(each, times_s, reasoned=self.reasoned), taught_answer(each)) for each in asked],
            "frames": frames,
            "times_s": times_s,
            "video_last": bool(self.video_last[index]),
        }
        if self.ego_twins:
            assert isinstance(self.store, BorrowedFrames), "the judge of recipes lets no other mixture through"
            item["ego_frames"] = self.store.ego_frames(sample["sample_id"])
        if self.paired:
            item |= self.features.item(index) if self.features else {}
            if "paired_grids" not in item:
                bearer = self.samples["sample_id"][self.first[self.order[index]]].as_py()
                item["paired_frames"] = self.store.frames(bearer, exo_view=self.exo_view[index])
        return self.shown(item, asked=asked) if self.shown else item


class Collate:
    """Items of `SampleDataset` to the model's inputs."""

    def __init__(self, config: EgoflowConfig, processor: EgoflowProcessor):
        self.config, self.processor = config, processor

    def __call__(self, items: list[dict]) -> dict[str, torch.Tensor]:
        """Return what `packing.pad` gives, pixel_values and, where paired, what `features.collate` gives.

        Of items with `ego_frames`, ego_pixel_values [frames, 3, H, W] too.

        An item without frames is text alone; a batch of such items has no pixel_values.
        """
        rows = [self._row(item) for item in items]
        batch = pad(rows, self.processor.tokenizer.pad_token_id)
        if shown := [item["frames"] for item in items if len(item["frames"])]:
            batch["pixel_values"] = normalise(np.concatenate(shown))
        if "ego_frames" in items[0]:
            batch["ego_pixel_values"] = normalise(np.concatenate([item["ego_frames"] for item in items]))
        if "paired_frames" in items[0] or "paired_grids" in items[0]:
            batch |= feature_cache.collate(items, self.config.tubelet_frames)
        return batch

    def _row(self, item: dict) -> Row:
        visual = layout(self.config, item["view"], len(item["frames"]))
        if not item.get("video_last"):
            return row(self.processor, visual, item["turns"])
        [(question, answer)] = item["turns"]  # with frames behind it, a question shares them with no other
        return row(self.processor, "", [(f"{question}{visual}", answer)])
