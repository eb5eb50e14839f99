"""Answers of a checkpoint of a Qwen model to samples, as `answer.Answerer` has them of Egoflow."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from transformers import BatchFeature, PreTrainedModel

from components.data.frames.times import frame_times
from components.evaluation.answer import FrameSource
from components.evaluation.ranking import likeliest
from components.evaluation.replies import TOO_LONG, Reply, batches, written
from components.models.qwen_vl import QwenProcessor, encode, shown

Sample = dict


class QwenAnswerer:
    """A model in evaluation mode with its processor and the frame store.

    Args:
        model: put into evaluation mode.
        processor: of the model.
        store: of the frames.
        most_frames: of a sample, as in the checkpoint's stage; None shows all.
        reasoned: ask closed questions for a thought and a letter, likewise.
        max_batch_tokens: of the prompts and answers of samples that are answered at once, padding counted.
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
        max_batch_tokens: int,
        max_new_tokens: int,
    ):
        self.model, self.processor, self.store = model.eval(), processor, store
        self.most_frames, self.reasoned = most_frames, reasoned
        self.max_batch_tokens, self.max_new_tokens = max_batch_tokens, max_new_tokens

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        replies: dict[int, Reply] = {}
        for places, inputs in self._prompts(samples, frames_of, new_tokens=self.max_new_tokens):
            ids = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
            made = ids[:, inputs["input_ids"].shape[1] :]
            replies |= zip(places, written(made, self.model, self.processor.tokenizer), strict=True)
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Answer each multiple-choice sample by its likeliest option, by the mean log-probability of its tokens."""
        tokenizer = self.processor.tokenizer
        replies: dict[int, Reply] = {}
        choices = [sample["target"]["choices"] for sample in samples]
        options = [
            [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
            for texts in choices
        ]
        longest = max(len(ids) for ranked in options for ids in ranked)
        copies = max(map(len, choices))
        for places, inputs in self._prompts(samples, frames_of, new_tokens=longest, copies=copies):
            # an image takes fewer positions than tokens: the options follow the last position
            start = inputs["attention_mask"].sum(1, keepdim=True) + self._position_offset(inputs)
            of_batch = [options[place] for place in places]
            chosen = likeliest(self.model, tokenizer, inputs, of_batch, next_positions=start)
            replies |= {place: Reply(choices[place][option]) for place, option in zip(places, chosen, strict=True)}
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

    def _position_offset(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return by how much the next position of each prompt differs from its number of tokens [B, 1]."""
        if "image_grid_thw" not in inputs:
            return torch.zeros(len(inputs["input_ids"]), 1, dtype=torch.long, device=self.model.device)
        named = ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")
        return self.model.model.get_rope_index(**{name: inputs[name] for name in named})[1]

    def _frames(self, sample: Sample, sample_id: str) -> dict:
        # the frames of a control stand in the place of the sample's own, at the times of those
        frames = self.store.frames(sample_id)
        shown = {"frames": frames, "times_s": frame_times(sample["media"], len(frames))}
        return shown | {"reasoned": self.reasoned}

    def _prompts(
        self, samples: list[Sample], frames_of: list[str], *, new_tokens: int, copies: int = 1
    ) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Yield batches (`replies.batches`): places of the samples, and the model's inputs, padded on the left."""
        prompts = []
        for sample, sample_id in zip(samples, frames_of, strict=True):
            item = shown({**sample, **self._frames(sample, sample_id)}, most_frames=self.most_frames)
            prompts.append(encode(self.processor, [item]))
        lengths = [len(prompt["input_ids"][0]) for prompt in prompts]
        limits = {"most_tokens": self.max_batch_tokens, "copies": copies}
        known = self.model.config.text_config.max_position_embeddings
        for places in batches(lengths, new_tokens=new_tokens, context_tokens=known, **limits):
            inputs = self._padded([prompts[place] for place in places])
            yield places, {name: value.to(self.model.device) for name, value in inputs.items()}

    def _padded(self, prompts: list[BatchFeature]) -> dict[str, torch.Tensor]:
        """Make one batch of prompts that were laid out one by one."""
        length = max(len(prompt["input_ids"][0]) for prompt in prompts)
        blanks = {"input_ids": self.processor.tokenizer.pad_token_id, "attention_mask": 0, "mm_token_type_ids": 0}
        inputs = {}
        for name, blank in blanks.items():
            rows = [prompt[name][0] for prompt in prompts]
            inputs[name] = torch.tensor([[blank] * (length - len(row)) + row for row in rows])
        for name in ("pixel_values", "image_grid_thw"):
            if parts := [torch.as_tensor(prompt[name]) for prompt in prompts if name in prompt]:
                inputs[name] = torch.cat(parts)
        return inputs
