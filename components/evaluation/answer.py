"""Let a checkpoint answer samples: greedy completions, and the ranking of options. No scores here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from components.data.frames import FrameStore
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, layout, normalise, prompt

Sample = dict


class Answerer:
    """A model in evaluation mode with its processor and the frame store.

    Args:
        guidance: put F(x) beside x for ego samples, as the checkpoint's stage did.
        batch: samples at once.
        max_new_tokens: longest completion.
    """

    def __init__(
        self,
        model: EgoflowForConditionalGeneration,
        processor: EgoflowProcessor,
        store: FrameStore,
        *,
        guidance: bool,
        batch: int,
        max_new_tokens: int,
    ):
        self.model, self.processor, self.store = model.eval(), processor, store
        self.guidance, self.batch, self.max_new_tokens = guidance, batch, max_new_tokens

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[str]:
        """Answer greedily; sample i is shown the frames of sample id `frames_of[i]`."""
        done = []
        for _, embeds, mask in self._prompts(samples, frames_of):
            ids = self.model.generate(
                inputs_embeds=embeds, attention_mask=mask, max_new_tokens=self.max_new_tokens, do_sample=False
            )
            done += self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return done

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[int]:
        """Give the option of each multiple-choice sample whose tokens are the likeliest, by mean log-probability."""
        chosen = []
        for part, embeds, mask in self._prompts(samples, frames_of):
            options = [(row, text) for row, sample in enumerate(part) for text in sample["target"]["choices"]]
            rows = torch.tensor([row for row, _ in options])
            tokens = [
                self.processor.tokenizer(f"{text}<eos>", add_special_tokens=False)["input_ids"] for _, text in options
            ]
            answers = self.processor.tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
            ids = answers["input_ids"]
            both = torch.cat([embeds[rows], self.model.get_input_embeddings()(ids)], dim=1)
            attention = torch.cat([mask[rows], answers["attention_mask"]], dim=1)
            logits = self.model(inputs_embeds=both, attention_mask=attention, logits_to_keep=ids.shape[1] + 1).logits
            logp = logits[:, :-1].float().log_softmax(-1).gather(2, ids.unsqueeze(2)).squeeze(2)
            real = answers["attention_mask"]
            means = ((logp * real).sum(1) / real.sum(1)).numpy()
            for row in range(len(part)):
                chosen.append(int(np.argmax(means[rows.numpy() == row])))
        return chosen

    def _prompts(
        self, samples: list[Sample], frames_of: list[str]
    ) -> Iterator[tuple[list[Sample], torch.Tensor, torch.Tensor]]:
        """Give batches: the samples, their prompts' embeddings [B, L, W] (left-padded) and masks [B, L]."""
        tokenizer = self.processor.tokenizer
        for start in range(0, len(samples), self.batch):
            part = samples[start : start + self.batch]
            frames = [self.store.frames(sample_id) for sample_id in frames_of[start : start + self.batch]]
            texts = []
            for sample, shown in zip(part, frames, strict=True):
                guided = self.guidance and sample["view"] == "ego"
                visual = layout(self.model.config, sample["view"], len(shown), guidance=guided)
                texts.append(prompt(visual, sample["question"]))
            tokens = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
            embeds, _ = self.model.model.embed(tokens["input_ids"], normalise(np.concatenate(frames)))
            yield part, embeds, tokens["attention_mask"]
