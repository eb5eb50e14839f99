"""Answers of a checkpoint of Egoflow to samples: greedy completions, and the ranking of options."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from components.data.frames.times import frame_times
from components.evaluation.ranking import likeliest
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, context, layout, turn
from components.prompts import asked_question

Sample = dict
Context = tuple[str, bytes]  # view and digest of the frames, which determine the embeddings before a question
CONTEXTS_AT_ONCE = 8  # 64 windows of frames are no faster on a CPU core and take 600 MB more (measured)


class FrameSource(Protocol):
    """Whatever has the frames of samples: the frame store of the data, or the frames of one video."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample, uint8 [T, H, W, 3], RGB."""
        ...


class Answerer:
    """A model in evaluation mode with its processor and the frame store.

    Frames are embedded once, however many samples, conditions and tasks show them.

    Args:
        model: put into evaluation mode.
        processor: of the model.
        store: of the frames.
        reasoned: ask closed questions for a thought and a letter, as the checkpoint's stage did.
        batch: samples at once.
        max_new_tokens: longest completion.
    """

    def __init__(
        self,
        model: EgoflowForConditionalGeneration,
        processor: EgoflowProcessor,
        store: FrameSource,
        *,
        reasoned: bool,
        batch: int,
        max_new_tokens: int,
    ):
        self.model, self.processor, self.store = model.eval(), processor, store
        self.reasoned, self.batch, self.max_new_tokens = reasoned, batch, max_new_tokens
        self._shown: dict[tuple[str, str], Context] = {}  # (view, sample id)
        self._n_frames: dict[str, int] = {}  # by sample id
        self._embedded: dict[Context, torch.Tensor] = {}

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[str]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        texts: dict[int, str] = {}
        for places, embeds, mask in self._prompts(samples, frames_of):
            ids = self.model.generate(
                inputs_embeds=embeds, attention_mask=mask, max_new_tokens=self.max_new_tokens, do_sample=False
            )
            decoded = self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
            texts |= zip(places, decoded, strict=True)
        return [texts[place] for place in range(len(samples))]

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[int]:
        """Return the likeliest option of each multiple-choice sample, by the mean log-probability of its tokens."""
        chosen: dict[int, int] = {}
        for places, embeds, mask in self._prompts(samples, frames_of):
            options = [self._tokens([f"{text}<eos>" for text in samples[n]["target"]["choices"]]) for n in places]
            inputs = {"inputs_embeds": embeds, "attention_mask": mask}
            chosen |= zip(places, likeliest(self.model, self.processor.tokenizer, inputs, options), strict=True)
        return [chosen[place] for place in range(len(samples))]

    def _prompts(
        self, samples: list[Sample], frames_of: list[str]
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield batches of similar length: places of the samples, left-padded embeddings [B, L, W], masks [B, L]."""
        words = self.model.get_input_embeddings()
        contexts = self._contexts(samples, frames_of)
        asked = [
            asked_question(sample, frame_times(sample["media"], self._n_frames[sample_id]), reasoned=self.reasoned)
            for sample, sample_id in zip(samples, frames_of, strict=True)
        ]
        turns = self._tokens([turn(question, self.processor.turn_words) for question in asked])
        prompts = [torch.cat([visual, words(torch.tensor(ids))]) for visual, ids in zip(contexts, turns, strict=True)]
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            chosen = [prompts[place] for place in places]
            ones = [torch.ones(len(prompt), dtype=torch.long) for prompt in chosen]
            embeds, mask = (pad_sequence(rows, batch_first=True, padding_side="left") for rows in (chosen, ones))
            yield places, embeds, mask

    def _contexts(self, samples: list[Sample], frames_of: list[str]) -> list[torch.Tensor]:
        """Return the embeddings [C, W] before each question; frames that were not shown before are encoded."""
        shown = [(sample["view"], sample_id) for sample, sample_id in zip(samples, frames_of, strict=True)]
        new: dict[Context, np.ndarray] = {}
        for view, sample_id in shown:
            if (view, sample_id) not in self._shown:
                frames = self.store.frames(sample_id)
                self._n_frames[sample_id] = len(frames)
                made_of = self._shown[view, sample_id] = (view, hashlib.sha256(frames.data).digest())
                if made_of not in self._embedded:
                    new[made_of] = frames
        keys = list(new)
        for start in range(0, len(keys), CONTEXTS_AT_ONCE):
            part = keys[start : start + CONTEXTS_AT_ONCE]
            self._embedded |= zip(part, self._embed([(view, new[view, digest]) for view, digest in part]), strict=True)
        return [self._embedded[self._shown[key]] for key in shown]

    def _embed(self, contexts: list[tuple[str, np.ndarray]]) -> list[torch.Tensor]:
        """Embed (view, frames) pairs: [C, W] each."""
        visuals = [layout(self.model.config, view, len(frames)) for view, frames in contexts]
        tokens = self._tokens([context(visual) for visual in visuals])
        padded = self.processor.tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
        frames = [list(frames) for _, frames in contexts if len(frames)]
        pixel_values = self.processor.image_processor(frames)["pixel_values"] if frames else None
        embeds, _ = self.model.model.embed(padded["input_ids"], pixel_values)
        return [row[: len(ids)].clone() for row, ids in zip(embeds, tokens, strict=True)]

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        return self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
