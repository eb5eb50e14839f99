"""Answers of a checkpoint of Egoflow to samples: greedy completions, and the ranking of options."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from components.data.frames.times import frame_times
from components.evaluation.ranking import continued, likeliest
from components.evaluation.replies import TOO_LONG, Reply, batches, written
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, context, layout, turn
from components.prompts import asked_question

Sample = dict
Context = tuple[str, bytes]  # view and digest of the frames, which determine the embeddings before a question
KEPT_BYTES = 4 * 2**30  # of embedded frames; beyond it all are forgotten, so that benchmarks of any length fit
CONTEXTS_AT_ONCE = 8  # 64 windows of frames are no faster on a CPU core and take 600 MB more (measured)


class FrameSource(Protocol):
    """Whatever has the frames of samples: the frame store of the data, or the frames of one video."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample, uint8 [T, H, W, 3], RGB."""
        ...


class Answerer:
    """A model in evaluation mode with its processor and the frame store.

    Frames are embedded once, however many samples, conditions and tasks show them, as far as KEPT_BYTES hold them.

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
        self.model, self.processor, self.store = model.eval(), processor, store
        self.reasoned, self.max_batch_tokens, self.max_new_tokens = reasoned, max_batch_tokens, max_new_tokens
        self._shown: dict[tuple[str, str], Context] = {}  # (view, sample id)
        self._n_frames: dict[str, int] = {}  # by sample id
        self._embedded: dict[Context, torch.Tensor] = {}

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        replies: dict[int, Reply] = {}
        for places, embeds, mask in self._prompts(samples, frames_of, new_tokens=self.max_new_tokens):
            ids = self.model.generate(
                inputs_embeds=embeds, attention_mask=mask, max_new_tokens=self.max_new_tokens, do_sample=False
            )
            replies |= zip(places, written(ids, self.model, self.processor.tokenizer), strict=True)
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Answer each multiple-choice sample by its likeliest option, by the mean log-probability of its tokens."""
        replies: dict[int, Reply] = {}
        choices = [sample["target"]["choices"] for sample in samples]
        contexts, asked = self._laid_out(samples, frames_of)
        ended = [[f"{text}<eos>" for text in texts] for texts in choices]
        turns, options = continued(self.processor.tokenizer, asked, ended)
        longest = max(len(ids) for ranked in options for ids in ranked)
        copies = max(map(len, choices))
        for places, embeds, mask in self._batched(contexts, turns, new_tokens=longest, copies=copies):
            inputs = {"inputs_embeds": embeds, "attention_mask": mask}
            chosen = likeliest(self.model, self.processor.tokenizer, inputs, [options[place] for place in places])
            replies |= {place: Reply(choices[place][option]) for place, option in zip(places, chosen, strict=True)}
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

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
        words, pad = self.model.get_input_embeddings(), self.processor.tokenizer.pad_token_id
        for places, embeds, mask in self._prompts(samples, frames_of, new_tokens=max(map(len, answers))):
            rows = [torch.tensor(answers[place], device=embeds.device) for place in places]
            ids = pad_sequence(rows, batch_first=True, padding_value=pad)
            both = torch.cat([embeds, words(ids)], dim=1)
            # what pads an answer stands behind it, where none of its tokens sees it
            seen = torch.cat([mask, mask.new_ones(ids.shape)], dim=1)
            logits = self.model(inputs_embeds=both, attention_mask=seen, logits_to_keep=ids.shape[1] + 1).logits
            for place, row in zip(places, logits, strict=True):
                yield place, row[: len(answers[place])].float().log_softmax(-1)

    def _prompts(
        self, samples: list[Sample], frames_of: list[str], *, new_tokens: int
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        contexts, asked = self._laid_out(samples, frames_of)
        yield from self._batched(contexts, self._tokens(asked), new_tokens=new_tokens)

    def _laid_out(self, samples: list[Sample], frames_of: list[str]) -> tuple[list[torch.Tensor], list[str]]:
        """Return the embeddings [C, W] before each question, and the question as the model is asked it."""
        contexts = self._contexts(samples, frames_of)
        asked = [
            asked_question(sample, frame_times(sample["media"], self._n_frames[sample_id]), reasoned=self.reasoned)
            for sample, sample_id in zip(samples, frames_of, strict=True)
        ]
        return contexts, [turn(question, self.processor.turn_words) for question in asked]

    def _batched(
        self, contexts: list[torch.Tensor], turns: list[list[int]], *, new_tokens: int, copies: int = 1
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield batches (`replies.batches`): places, left-padded embeddings [B, L, W], masks [B, L]."""
        words = self.model.get_input_embeddings()
        lengths = [len(visual) + len(ids) for visual, ids in zip(contexts, turns, strict=True)]
        limits = {"most_tokens": self.max_batch_tokens, "copies": copies}
        known = self.model.config.text_config.max_position_embeddings
        device = self.model.device
        for places in batches(lengths, new_tokens=new_tokens, context_tokens=known, **limits):
            chosen = [
                torch.cat([contexts[place].to(device), words(torch.tensor(turns[place], device=device))])
                for place in places
            ]
            ones = [torch.ones(len(prompt), dtype=torch.long, device=device) for prompt in chosen]
            embeds, mask = (pad_sequence(rows, batch_first=True, padding_side="left") for rows in (chosen, ones))
            yield places, embeds, mask

    def _contexts(self, samples: list[Sample], frames_of: list[str]) -> list[torch.Tensor]:
        """Return the embeddings [C, W] before each question; frames that were not shown before are encoded."""
        if sum(embeds.nbytes for embeds in self._embedded.values()) > KEPT_BYTES:
            self._shown.clear()
            self._embedded.clear()
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
        if pixel_values is not None:
            pixel_values = pixel_values.to(self.model.device, self.model.dtype)
        embeds, _ = self.model.model.embed(padded["input_ids"].to(self.model.device), pixel_values)
        # they wait in the host's memory: a GPU would be full of them after some tasks
        return [row[: len(ids)].clone().cpu() for row, ids in zip(embeds, tokens, strict=True)]

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        return self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
