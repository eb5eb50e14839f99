"""What a model sees of a sample on each of the five ways that lead to it, run as they run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, ProcessorMixin
from trl import GRPOTrainer
from trl.data_utils import apply_chat_template, prepare_multimodal_messages

from components.evaluation.answer import Answerer
from components.evaluation.qwen import QwenAnswerer
from components.evaluation.serving import Served
from components.models.processing import EgoflowProcessor, layout
from components.train import qwen
from components.train.dataset import Collate
from components.train.grpo.shared_prompt import SharedPromptTrainer, images_by_row, sample
from components.train.packing import IGNORE, row

TOWERS = ("ego_encoder", "exo_encoder", "visual")


@dataclass
class Seen:
    """Call after call: pixel values by tower, embedded tokens [L, W], their positions on three axes [3, L]."""

    pixel_values: list[tuple[str, Tensor]] = field(default_factory=list)
    embeds: list[Tensor] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)

    def tokens(self, places: slice | list[int]) -> tuple[Tensor, Tensor]:
        return torch.cat(self.embeds)[places], torch.cat(self.positions, -1)[..., places]


@contextmanager
def watching(model: PreTrainedModel) -> Iterator[Seen]:
    seen = Seen()

    def language(module, args, inputs):
        embeds, cache, positions = (inputs.get(n) for n in ("inputs_embeds", "past_key_values", "position_ids"))
        if positions is None:
            past = cache.get_seq_length() if cache is not None else 0
            positions = torch.arange(past, past + embeds.shape[1]).unsqueeze(0)
        seen.embeds.append(embeds[0])
        seen.positions.append(positions[-3:, 0].expand(3, -1) if positions.ndim == 3 else positions[:1].expand(3, -1))

    hooks = [model.model.language_model.register_forward_pre_hook(language, with_kwargs=True)]
    for name, tower in model.model.named_children():
        if name in TOWERS:
            note = partial(lambda name, module, args, inputs: seen.pixel_values.append((name, args[0])), name)
            hooks.append(tower.register_forward_pre_hook(note, with_kwargs=True))
    with torch.no_grad():
        yield seen
    for hook in hooks:
        hook.remove()


def trained(model: PreTrainedModel, processor: ProcessorMixin, item: dict) -> tuple[Seen, list[list[int]], Tensor]:
    """What supervised training shows; for each question the places of its prompt in the row; and all tokens [L]."""
    if isinstance(processor, EgoflowProcessor):
        batch = Collate(model.config, processor)([item])
        made = row(processor, layout(model.config, item["view"], len(item["frames"])), item["turns"])
        prompts = [
            [place for place, turn in enumerate(made.turns) if turn in (0, number) and made.labels[place] == IGNORE]
            for number in range(1, len(item["turns"]) + 1)
        ]
    else:
        batch = qwen.Collate(processor)([item])
        prompts = qwen_prompts(batch)
    with watching(model) as seen:
        model(**batch)
    return seen, prompts, batch["input_ids"][0]


def qwen_prompts(batch: dict[str, Tensor]) -> list[list[int]]:
    """The places of the prompt of each answer in the only row: what the token before the answer sees."""
    learned = (batch["labels"][0] != IGNORE).tolist()
    lasts = [place - 1 for place in range(1, len(learned)) if learned[place] and not learned[place - 1]]
    if "attention_mask" not in batch:
        return [list(range(last + 1)) for last in lasts]
    sees = batch["attention_mask"][0, 0]
    sees = sees if sees.dtype == torch.bool else sees == 0
    return [sees[last].nonzero()[:, 0].tolist() for last in lasts]


def rolled_out(model, processor, prompt: dict, completion: list[int]) -> tuple[Seen, Seen, list[int]]:
    """What GRPO shows where it samples and where it scores a completion; and the tokens of its prompt."""
    messages, n_images = prepare_multimodal_messages(prompt["prompt"], prompt["images"]), len(prompt["images"])
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(autocast=nullcontext, device="cpu", is_main_process=False),
        processing_class=processor, _tokenizer=processor.tokenizer,
        _is_vlm=True, environment_factories=None, tools=None, chat_template=None, chat_template_kwargs={},
    )  # fmt: skip
    [ids], _, fields = GRPOTrainer._tokenize_prompts(trainer, [messages])
    ends = {"eos_token_id": processor.tokenizer.eos_token_id, "pad_token_id": processor.tokenizer.pad_token_id}
    config = GenerationConfig(max_new_tokens=1, do_sample=False, **ends)
    images = images_by_row({name: torch.as_tensor(np.asarray(value)) for name, value in fields.items()}, [n_images])
    with watching(model) as sampled:
        sample(model, [ids], images, pad_id=ends["pad_token_id"], config=config)
    given = {}
    if n_images:
        texts = [apply_chat_template({"prompt": messages}, processor)["prompt"]]
        given = dict(processor(images=[prompt["images"]], text=texts, padding=True, return_tensors="pt"))
        assert given.pop("input_ids").tolist() == [ids]
        given |= {"num_images": [n_images]}
        given.pop("attention_mask")
    if "mm_token_type_ids" in given:  # as TRL has them of the whole row
        answer = torch.zeros(1, len(completion), dtype=torch.long)
        given["mm_token_type_ids"] = torch.cat([given["mm_token_type_ids"], answer], 1)
    whole = torch.tensor([ids + completion])
    with watching(model) as scored:
        SharedPromptTrainer._get_per_token_logps_and_entropies(
            trainer, model, whole, torch.ones_like(whole), len(completion), **given
        )
    return sampled, scored, ids


class OneSample:
    """The frames of one item in the place of a store."""

    def __init__(self, frames_THWC: np.ndarray):
        self.frames_THWC = frames_THWC

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        return self.frames_THWC


def answered(model, processor, asked: dict, frames_THWC: np.ndarray, request: dict, **how) -> tuple[Seen, Seen]:
    """What evaluation shows of a sample, and serving of a request."""
    answerer = Answerer if isinstance(processor, EgoflowProcessor) else QwenAnswerer
    of_model = partial(answerer, model, processor, **how)
    with watching(model) as evaluated:
        of_model(store=OneSample(frames_THWC), max_batch_tokens=1, max_new_tokens=1).complete([asked], ["0"])
    with watching(model) as served:
        Served(of_model).predict([request])
    return evaluated, served
