"""Answers of a checkpoint of a Qwen model to samples, as `answer.Answerer` has them of Egoflow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from components.data.frames.times import frame_times
from components.evaluation.answer import FrameSource
from components.evaluation.prefix_answerer import PrefixAnswerer, Sample
from components.evaluation.prefix_cache import Prefix, Reader, keys_and_values
from components.evaluation.replies import Reply
from components.models import qwen_shared_prefix
from components.models.processing import conversation
from components.models.qwen_vl import QwenProcessor, encode, never_generated, shown

if TYPE_CHECKING:
    from components.models.qwen_vl import QwenModel

Answer = Callable[[list[Sample], list[str]], list[Reply]]
Shown = tuple[str, str, str]  # view, sample id and frame kind, which say what is shown

ENCODED_AT_ONCE = 32  # samples whose frames wait in patches, some hundred times as large as JPEGs


class QwenAnswerer(PrefixAnswerer):
    """A model in evaluation mode with its processor and the frame store.

    What the model has read of frames is kept (`prefix_cache`), however many samples, conditions and tasks show them.

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
        model: QwenModel,
        processor: QwenProcessor,
        store: FrameSource,
        *,
        most_frames: int | None,
        reasoned: bool,
        max_batch_tokens: int,
        max_new_tokens: int,
    ):
        limits = {"max_batch_tokens": max_batch_tokens, "max_new_tokens": max_new_tokens}
        reader, end = Reader(model, self._read_prefixes, axes=3), processor.tokenizer.eos_token
        super().__init__(model, processor, **limits, reader=reader, end=end)
        self.store, self.most_frames, self.reasoned = store, most_frames, reasoned
        self._seen: dict[Shown, tuple[int, Prefix]] = {}  # with how many frames there are
        self._encoded: dict[Shown, dict[str, torch.Tensor]] = {}  # that wait to be read

    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        return self._some_at_once(super().complete, samples, frames_of)

    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Answer each multiple-choice sample by its likeliest option, by the mean log-probability of its tokens."""
        return self._some_at_once(super().rank, samples, frames_of)

    def _some_at_once(self, answer: Answer, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        replies = []
        for at in range(0, len(samples), ENCODED_AT_ONCE):
            replies += answer(samples[at : at + ENCODED_AT_ONCE], frames_of[at : at + ENCODED_AT_ONCE])
            self._encoded.clear()  # a prompt that is too long was not read
        return replies

    def _laid_out(self, samples: list[Sample], frames_of: list[str]) -> tuple[list[Prefix], list[str]]:
        """Return what stands before each question, and the question as the model is asked it."""
        prefixes, asked = [], []
        for sample, sample_id in zip(samples, frames_of, strict=True):
            name = sample["view"], sample_id, sample["frame_kind"]
            if name not in self._seen:
                self._seen[name] = self._prefix(name, sample)
            count, prefix = self._seen[name]
            prefixes.append(prefix)
            # of frames that were encoded only their number counts
            asked.append(self._behind_frames(self._item(sample, np.empty((count, 0)))))
        return prefixes, asked

    def _prefix(self, name: Shown, sample: Sample) -> tuple[int, Prefix]:
        """Encode the frames of a sample; return how many there are, and what stands before a question about them."""
        frames = self.store.frames(name[1])
        item = self._item(sample, frames)
        inputs = self._encoded[name] = self._inputs(item)
        ids = inputs["input_ids"]
        _, offset = qwen_shared_prefix.rope_index(self.model, ids, inputs.get("image_grid_thw"))
        # equal tokens and frames are read alike, whatever they are called
        key = tuple(ids[0].tolist()), hashlib.sha256(np.ascontiguousarray(item["frames"]).data).digest()
        read = partial(self._read_again, name, sample)
        return len(frames), Prefix(key, tokens=ids.shape[1], next_position=ids.shape[1] + int(offset), inputs=read)

    def _read_again(self, name: Shown, sample: Sample) -> dict[str, torch.Tensor]:
        waiting = self._encoded.pop(name, None)
        return self._inputs(self._item(sample, self.store.frames(name[1]))) if waiting is None else waiting

    def _item(self, sample: Sample, frames: np.ndarray) -> dict:
        # the frames of a control stand in the place of the sample's own, at the times of those
        times = {"times_s": frame_times(sample["media"], len(frames)), "reasoned": self.reasoned}
        return shown({**sample, "frames": frames, **times}, most_frames=self.most_frames)

    def _behind_frames(self, item: dict) -> str:
        """Return the text of a prompt behind what `_inputs` gives."""
        chat = conversation(item["question"], item["view"], len(item["frames"]))
        text = self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        words = self.processor.tokenizer.convert_ids_to_tokens(never_generated(self.model))
        # a prompt without frames begins with a special token, which never merges with what follows
        first = self.processor.tokenizer.convert_ids_to_tokens(self._tokens([text])[0][0])
        return text[max((text.rfind(word) + len(word) for word in words if word in text), default=len(first)) :]

    def _inputs(self, item: dict) -> dict[str, torch.Tensor]:
        """Return the model's inputs up to where the question begins, a batch of one."""
        encoded = encode(self.processor, [item])
        [ids] = encoded["input_ids"]
        before = set(never_generated(self.model))
        end = max((place + 1 for place, token in enumerate(ids) if token in before), default=1)
        texts = ("input_ids", "mm_token_type_ids", "attention_mask")
        inputs = {name: torch.tensor(encoded[name])[:, :end] for name in texts}
        images = ("pixel_values", "image_grid_thw")
        return inputs | {name: torch.as_tensor(encoded[name]) for name in images if name in encoded}

    def _read_prefixes(self, prefixes: list[Prefix]) -> list[torch.Tensor]:
        """Read new prefixes, as the model reads a batch of whole prompts."""
        each = [prefix.inputs() for prefix in prefixes]
        blanks = {"input_ids": self.processor.tokenizer.pad_token_id, "mm_token_type_ids": 0, "attention_mask": 0}
        batch = {
            name: pad_sequence([one[name][0] for one in each], True, blank, "left") for name, blank in blanks.items()
        }
        for name in ("pixel_values", "image_grid_thw"):
            if parts := [one[name] for one in each if name in one]:
                batch[name] = torch.cat(parts)
        batch = {name: value.to(self.model.device) for name, value in batch.items()}
        known = keys_and_values(self.model(**batch, use_cache=True, logits_to_keep=1).past_key_values)
        return [row[-prefix.tokens :].contiguous() for row, prefix in zip(known, prefixes, strict=True)]
