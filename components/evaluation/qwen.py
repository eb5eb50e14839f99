"""Let a checkpoint of a Qwen model answer samples, as `answer.Answerer` lets one of Egoflow: no scores here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from transformers import PreTrainedModel

from components.data.frames.store import FrameStore
from components.models.qwen_vl import QwenProcessor, encode, shown

Sample = dict


class QwenAnswerer:
    """A model in evaluation mode with its processor and the frame store.

    Args:
        most_frames: of a sample, as in the checkpoint's stage; None shows all.
        batch: samples at once.
        max_new_tokens: longest completion.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: QwenProcessor,
        store: FrameStore,
        *,
        most_frames: int | None,
        batch: int,
        max_new_tokens: int,
    ):
        self.model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.processor, self.store = processor, store
        self.most_frames, self.batch, self.max_new_tokens = most_frames, batch, max_new_tokens

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[str]:
        """Answer greedily; sample i is shown the frames of sample id `frames_of[i]`."""
        said = []
        for _, inputs in self._prompts(samples, frames_of):
            ids = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
            made = ids[:, inputs["input_ids"].shape[1] :]
            said += self.processor.tokenizer.batch_decode(made, skip_special_tokens=True)
        return said

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[int]:
        """Return the option of each multiple-choice sample whose tokens are the likeliest, by mean log-probability."""
        chosen, tokenizer = [], self.processor.tokenizer
        for part, inputs in self._prompts(samples, frames_of):
            options = [(row, text) for row, sample in enumerate(part) for text in sample["target"]["choices"]]
            rows = torch.tensor([row for row, _ in options], device=self.model.device)
            tokens = tokenizer([text for _, text in options], add_special_tokens=False)["input_ids"]
            tokens = [[*ids, tokenizer.eos_token_id] for ids in tokens]
            answers = tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
            ids, real = answers["input_ids"].to(self.model.device), answers["attention_mask"].to(self.model.device)
            # a prompt is read once, its options go on from its cache
            read = self.model(**inputs, use_cache=True, logits_to_keep=1)
            read.past_key_values.batch_select_indices(rows)
            mask = inputs["attention_mask"]
            # an image takes fewer positions than tokens: what follows goes on behind the last one
            start = (mask.sum(1, keepdim=True) + self._lag(inputs))[rows]
            places = (start + torch.arange(ids.shape[1], device=start.device)).expand(3, -1, -1)
            follow = self.model(
                ids,
                attention_mask=torch.cat([mask[rows], real], dim=1),
                position_ids=places,
                past_key_values=read.past_key_values,
            )
            logits = torch.cat([read.logits[rows], follow.logits[:, :-1]], dim=1)
            logp = logits.float().log_softmax(-1).gather(2, ids.unsqueeze(2)).squeeze(2)
            means = ((logp * real).sum(1) / real.sum(1)).cpu().numpy()
            chosen += [int(np.argmax(means[rows.cpu().numpy() == row])) for row in range(len(part))]
        return chosen

    def _lag(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return by how much the next position of each prompt differs from its number of tokens [B, 1]."""
        if "image_grid_thw" not in inputs:
            return torch.zeros(len(inputs["input_ids"]), 1, dtype=torch.long, device=self.model.device)
        named = ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")
        return self.model.model.get_rope_index(**{name: inputs[name] for name in named})[1]

    def _prompts(
        self, samples: list[Sample], frames_of: list[str]
    ) -> Iterator[tuple[list[Sample], dict[str, torch.Tensor]]]:
        """Return batches of samples with the model's inputs, padded on the left."""
        for start in range(0, len(samples), self.batch):
            part = samples[start : start + self.batch]
            ids = frames_of[start : start + self.batch]
            items = [
                shown({**sample, "frames": self.store.frames(sample_id)}, most_frames=self.most_frames)
                for sample, sample_id in zip(part, ids, strict=True)
            ]
            encoded = encode(self.processor, items)
            inputs = {
                name: torch.as_tensor(encoded[name]) for name in ("pixel_values", "image_grid_thw") if name in encoded
            }
            length = max(map(len, encoded["input_ids"]))
            blanks = {"input_ids": self.processor.tokenizer.pad_token_id, "attention_mask": 0, "mm_token_type_ids": 0}
            for name, blank in blanks.items():
                inputs[name] = torch.tensor([[blank] * (length - len(row)) + row for row in encoded[name]])
            yield part, {name: value.to(self.model.device) for name, value in inputs.items()}
