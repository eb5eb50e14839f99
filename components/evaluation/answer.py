"""Answers of a checkpoint of Egoflow to samples: greedy completions, and the ranking of options."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from components.data.frames.times import frame_times
from components.evaluation.prefix_answerer import PrefixAnswerer, Sample
from components.evaluation.prefix_cache import Prefix, Reader, keys_and_values
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, context, layout, turn
from components.prompts import asked_question

Context = tuple[str, bytes]  # view and digest of the frames, which determine the embeddings before a question
KEPT_BYTES = 4 * 2**30  # of embedded frames; beyond it all are forgotten, so that benchmarks of any length fit
CONTEXTS_AT_ONCE = 8  # 64 windows of frames are no faster on a CPU core and take 600 MB more (measured)


class FrameSource(Protocol):
    """Whatever has the frames of samples: the frame store of the data, or the frames of one video."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample, uint8 [T, H, W, 3], RGB."""
        ...


class Answerer(PrefixAnswerer):
    """A model in evaluation mode with its processor and the frame store.

    Frames are embedded once, however many samples, conditions and tasks show them, as far as KEPT_BYTES hold them; what
    the language model reads of them is kept likewise (`prefix_cache`).

    Args:
        model: put into evaluation mode.
        processor: of the model.
        store: of the frames.
        reasoned: ask closed questions for a thought and a letter, as the checkpoint's stage did.
        max_batch_tokens: of the prompts and answers of samples that are answered at once, padding counted.
        max_new_tokens: longest completion.
    """

    def __init__(
        self,
        model: EgoflowForConditionalGeneration,
        processor: EgoflowProcessor,
        store: FrameSource,
        *,
        reasoned: bool,
        max_batch_tokens: int,
        max_new_tokens: int,
    ):
        limits = {"max_batch_tokens": max_batch_tokens, "max_new_tokens": max_new_tokens}
        super().__init__(model, processor, **limits, reader=Reader(model, self._read_prefixes), end="<eos>")
        self.store, self.reasoned = store, reasoned
        self._shown: dict[tuple[str, str], Context] = {}  # (view, sample id)
        self._n_frames: dict[str, int] = {}  # by sample id
        self._embedded: dict[Context, Prefix] = {}

    @torch.no_grad()
    def log_probabilities(
        self, samples: list[Sample], frames_of: list[str], answers: list[list[int]]
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Read given answers behind the prompts (teacher forcing).

        Args:
            samples: whose questions stand before the answers.
            frames_of: as in `complete`.
            answers: token ids of each.

        Yields:
            The place of a sample, and the log-probability of every word at each token of its answer [tokens,
            vocabulary]; nothing where prompt and answer do not fit the model's context.
        """
        prefixes, asked = self._laid_out(samples, frames_of)
        turns, longest = self._tokens(asked), max(map(len, answers))
        for places in self._batches(prefixes, turns, range(len(samples)), new_tokens=longest):
            whole = [turns[place] + answers[place] for place in places]
            logits = self._reader.logits([prefixes[place] for place in places], whole, keep=longest + 1)
            for place, row in zip(places, logits, strict=True):
                yield place, row[len(row) - 1 - len(answers[place]) : -1].float().log_softmax(-1)

    def _laid_out(self, samples: list[Sample], frames_of: list[str]) -> tuple[list[Prefix], list[str]]:
        """Return what stands before each question, and the question as the model is asked it."""
        return self._prefixes(samples, frames_of), self._asked(samples, frames_of)

    def _asked(self, samples: list[Sample], frames_of: list[str]) -> list[str]:
        asked = [
            asked_question(sample, frame_times(sample["media"], self._n_frames[sample_id]), reasoned=self.reasoned)
            for sample, sample_id in zip(samples, frames_of, strict=True)
        ]
        return [turn(question, self.processor.turn_words) for question in asked]

    def _prefixes(self, samples: list[Sample], frames_of: list[str]) -> list[Prefix]:
        """Return what stands before each question; frames that were not shown before are encoded."""
        if sum(each.inputs.nbytes for each in self._embedded.values()) > KEPT_BYTES:
            self._shown.clear()
            self._embedded.clear()
        shown = [(sample["view"], sample_id) for sample, sample_id in zip(samples, frames_of, strict=True)]
        new = [key for key in dict.fromkeys(shown) if key not in self._shown]
        waiting: dict[Context, np.ndarray] = {}
        for number, (view, sample_id) in enumerate(new, start=1):
            frames = self.store.frames(sample_id)
            self._n_frames[sample_id] = len(frames)
            made_of = self._shown[view, sample_id] = (view, hashlib.sha256(frames.data).digest())
            if made_of not in self._embedded:
                waiting[made_of] = frames
            if len(waiting) == CONTEXTS_AT_ONCE or number == len(new) and waiting:
                embeds = self._embed([(view, frames) for (view, _), frames in waiting.items()])
                self._embedded |= {
                    key: Prefix(key, tokens=len(each), next_position=len(each), inputs=each)
                    for key, each in zip(waiting, embeds, strict=True)
                }
                waiting.clear()
        return [self._embedded[self._shown[key]] for key in shown]

    def _embed(self, contexts: list[tuple[str, np.ndarray]]) -> list[torch.Tensor]:
        """Embed (view, frames) pairs: [C, W] each."""
        visuals = [layout(self.model.config, view, len(frames)) for view, frames in contexts]
        tokens = self._tokens([context(visual) for visual in visuals])
        padded = self.processor.tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
        frames = [list(frames) for _, frames in contexts if len(frames)]
        pixel_values = self.processor.image_processor(frames)["pixel_values"] if frames else None
        if pixel_values is not None:
            pixel_values = pixel_values.to(self.model.device, self.model.dtype)
        embeds, _ = self.model.model.embed(padded["input_ids"].to(self.model.device), pixel_values)
        # they wait in the host's memory: a GPU would be full of them after some tasks
        return [row[: len(ids)].clone().cpu() for row, ids in zip(embeds, tokens, strict=True)]

    def _read_prefixes(self, prefixes: list[Prefix]) -> list[torch.Tensor]:
        # padded on the right, where causal attention shows it to nothing real
        embeds = pad_sequence([each.inputs.to(self.model.device) for each in prefixes], batch_first=True)
        known = keys_and_values(self.model.model(inputs_embeds=embeds, use_cache=True).past_key_values)
        return [row[: each.tokens].contiguous() for row, each in zip(known, prefixes, strict=True)]
