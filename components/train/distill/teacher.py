"""A frozen teacher that answers: batches of questions with their frames to text, greedily or by its own settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationConfig, PreTrainedModel, ProcessorMixin

from components import params
from components.data.frames.store import FrameStore
from components.models.processing import EgoflowProcessor, context, layout, normalise, turn
from components.models.qwen_vl import QwenProcessor, encode, shown
from components.train.distill.questions import Question

ANSWER, CUT, EMPTY, TOO_LONG = "answer", "cut", "empty", "too_long"  # outcomes; all but the first are rejects


@dataclass(frozen=True)
class Said:
    """What the teacher said to one question.

    Attributes:
        outcome: ANSWER; CUT where the budget of new tokens ended it; EMPTY where there is no word in it; TOO_LONG where
            question and answer do not fit the teacher's context, so that it was not asked.
        text: without special tokens.
        prompt_tokens, answer_tokens: the latter with the end token.
    """

    outcome: str
    text: str
    prompt_tokens: int
    answer_tokens: int


def sampling_of(folder: Path) -> GenerationConfig:
    """Return how the model of a folder samples, by its own generation_config.json.

    Raises:
        ValueError: there is no such file, or it does not sample: a stage's checkpoint keeps no such settings.
    """
    own = folder / "generation_config.json"
    found = GenerationConfig.from_pretrained(folder) if own.is_file() else None
    if found is None or not found.do_sample:
        raise ValueError(
            f"`distill.generation: model` came, and {own} {'has no `do_sample: true`' if found else 'is not there'}: "
            "write the teacher's sampling values into that file, or set `generation: greedy` in the recipe"
        )
    return found


class Teacher:
    """A model in evaluation mode that answers questions about the frames of a store.

    Args:
        model: put into evaluation mode.
        processor: of the model.
        store: of the frames.
        settings: how it generates, and how much.
        folder: of the model, which may hold its own generation settings.
        most_frames: of a question, for a model that takes fewer than the store has; None shows all.

    Raises:
        ValueError: as `sampling_of`, where its own settings are asked for.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        store: FrameStore,
        settings: params.Distill,
        *,
        folder: Path,
        most_frames: int | None,
    ):
        self.model, self.processor, self.store = model.eval(), processor, store
        self.most_frames, self.max_new_tokens = most_frames, settings.max_new_tokens
        self.how = GenerationConfig.from_dict(model.generation_config.to_dict())
        if settings.generation == "model":
            self.how = sampling_of(folder)
            # never what stands for frames: of a download only the loaded model forbids it
            self.how.suppress_tokens = model.generation_config.suppress_tokens
        else:
            self.how.do_sample = False
        self.how.max_new_tokens = settings.max_new_tokens
        self.known_tokens = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def answer(self, questions: Sequence[Question], *, seed: int) -> list[Said]:
        """Answer some questions together; the same questions with the same seed have the same answers.

        Args:
            questions: of any views and lengths.
            seed: of sampling.
        """
        inputs = self._inputs(questions)
        lengths = inputs["attention_mask"].sum(1).tolist()
        fits = [length + self.max_new_tokens <= self.known_tokens for length in lengths]
        if not all(fits):
            short = [question for question, fit in zip(questions, fits, strict=True) if fit]
            rest = iter(self.answer(short, seed=seed) if short else ())
            return [next(rest) if fit else Said(TOO_LONG, "", n, 0) for fit, n in zip(fits, lengths, strict=True)]
        torch.manual_seed(seed)
        ids = self.model.generate(**inputs, generation_config=self.how)[:, inputs["input_ids"].shape[1] :]
        return [self._said(row, length) for row, length in zip(ids.tolist(), lengths, strict=True)]

    def _said(self, ids: list[int], prompt_tokens: int) -> Said:
        ends = self.how.eos_token_id
        end = next((n for n, token in enumerate(ids) if token in (ends if isinstance(ends, list) else [ends])), None)
        written = ids[: None if end is None else end]
        text = self.processor.tokenizer.decode(written, skip_special_tokens=True).strip()
        outcome = CUT if end is None else ANSWER if text else EMPTY
        return Said(outcome, text, prompt_tokens, len(written) + (end is not None))

    def _frames(self, question: Question) -> np.ndarray:
        exo_view = question.exo_view if question.view == "exo" else None
        return self.store.frames(question.segment["sample_id"], exo_view=exo_view)

    def _inputs(self, questions: Sequence[Question]) -> dict[str, torch.Tensor]:
        """Lay out prompts as the processor's architecture takes them, padded on the left."""
        if isinstance(self.processor, QwenProcessor):
            return self._qwen(questions, self.processor)
        assert isinstance(self.processor, EgoflowProcessor), "a recipe has no other architecture"
        return self._egoflow(questions, self.processor)

    def _egoflow(self, questions: Sequence[Question], processor: EgoflowProcessor) -> dict[str, torch.Tensor]:
        model = self.model
        frames = [self._frames(question) for question in questions]
        texts = [
            context(layout(model.config, question.view, len(clip))) + turn(question.query, processor.turn_words)
            for question, clip in zip(questions, frames, strict=True)
        ]
        how = {"add_special_tokens": False, "padding": True, "padding_side": "left", "return_tensors": "pt"}
        prompts = processor.tokenizer(texts, **how).to(model.device)
        pixel_values = normalise(np.concatenate(frames)).to(model.device, model.dtype)
        return {**{name: prompts[name] for name in ("input_ids", "attention_mask")}, "pixel_values": pixel_values}

    def _qwen(self, questions: Sequence[Question], processor: QwenProcessor) -> dict[str, torch.Tensor]:
        plain = {"target": {"kind": "text"}, "answer": "", "times_s": None, "reasoned": False}
        asked = [
            question.segment
            | {"question": question.query, "question_type": question.family, "view": question.view}
            | {"frames": self._frames(question)}
            | plain
            for question in questions
        ]
        prompts = encode(processor, [shown(item, most_frames=self.most_frames) for item in asked])
        length = max(map(len, prompts["input_ids"]))
        blanks = {"input_ids": processor.tokenizer.pad_token_id, "attention_mask": 0, "mm_token_type_ids": 0}
        inputs = {
            name: torch.tensor([[blank] * (length - len(row)) + list(row) for row in prompts[name]])
            for name, blank in blanks.items()
        }
        inputs |= {name: torch.as_tensor(prompts[name]) for name in ("pixel_values", "image_grid_thw")}
        return {name: value.to(self.model.device) for name, value in inputs.items()}
