"""Answers of a checkpoint of a Qwen model to samples, as `answer.Answerer` has them of Egoflow."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from transformers import PreTrainedModel

from components.data.frames.times import frame_times
from components.evaluation.answer import FrameSource
from components.evaluation.ranking import likeliest
from components.models.qwen_vl import QwenProcessor, encode, shown

Sample = dict


class QwenAnswerer:
    """A model in evaluation mode with its processor and the frame store.

    Args:
        model: put into evaluation mode, on the GPU where there is one.
        processor: of the model.
        store: of the frames.
        most_frames: of a sample, as in the checkpoint's stage; None shows all.
        reasoned: ask closed questions for a thought and a letter, likewise.
        batch: samples at once.
        max_new_tokens: longest completion.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: QwenProcessor,
        store: FrameSource,
        *,
        most_frames: int | None,
        reasoned: bool,
        batch: int,
        max_new_tokens: int,
    ):
        self.model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.processor, self.store = processor, store
        self.most_frames, self.reasoned, self.batch, self.max_new_tokens = most_frames, reasoned, batch, max_new_tokens

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[str]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        texts: list[str] = []
        for _, inputs in self._prompts(samples, frames_of):
            ids = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
            made = ids[:, inputs["input_ids"].shape[1] :]
            texts += self.processor.tokenizer.batch_decode(made, skip_special_tokens=True)
        return texts

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[int]:
        """Return the likeliest option of each multiple-choice sample, by the mean log-probability of its tokens."""
        tokenizer = self.processor.tokenizer
        chosen: list[int] = []
        for part, inputs in self._prompts(samples, frames_of):
            options = [
                [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
                for texts in (sample["target"]["choices"] for sample in part)
            ]
            # an image takes fewer positions than tokens: the options follow the last position
            start = inputs["attention_mask"].sum(1, keepdim=True) + self._position_offset(inputs)
            chosen += likeliest(self.model, tokenizer, inputs, options, next_positions=start)
        return chosen

    def _position_offset(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return by how much the next position of each prompt differs from its number of tokens [B, 1]."""
        if "image_grid_thw" not in inputs:
            return torch.zeros(len(inputs["input_ids"]), 1, dtype=torch.long, device=self.model.device)
        named = ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")
        return self.model.model.get_rope_index(**{name: inputs[name] for name in named})[1]

    def _frames(self, sample: Sample, sample_id: str) -> dict:
        # another's frames (the blind control) stand in the place of the sample's own, at the times of those
        frames = self.store.frames(sample_id)
        shown = {"frames": frames, "times_s": frame_times(sample["media"], len(frames))}
        return shown | {"reasoned": self.reasoned}

    def _prompts(
        self, samples: list[Sample], frames_of: list[str]
    ) -> Iterator[tuple[list[Sample], dict[str, torch.Tensor]]]:
        """Yield batches of samples with the model's inputs, padded on the left."""
        for start in range(0, len(samples), self.batch):
            part = samples[start : start + self.batch]
            ids = frames_of[start : start + self.batch]
            items = [
                shown({**sample, **self._frames(sample, sample_id)}, most_frames=self.most_frames)
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
