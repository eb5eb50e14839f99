"""What a Qwen model is trained on: batches by its own processor, the token loss over answers, images encoded once.

Every batch holds at least one image, so that every rank runs the vision tower in every step: under ZeRO-3 a module
gathers its weights from all ranks, and one with text alone would leave the others waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from components.models.qwen_vl import QwenProcessor, encode
from components.train.packing import IGNORE
from components.train.trainer import Losses


class Collate:
    """Items, as `models.qwen.shown` gives them, to the model's inputs; samples may differ in frames, or have none."""

    def __init__(self, processor: QwenProcessor):
        self.processor = processor

    def __call__(self, items: Sequence[dict]) -> dict[str, Tensor]:
        """Return input_ids, attention_mask, mm_token_type_ids and labels [B, L], pixel_values and image_grid_thw.

        The labels are the answer and the token that ends it, IGNORE elsewhere; the answer is tokenized by itself, as
        it would be generated.
        """
        prompts, tokenizer = encode(self.processor, items), self.processor.tokenizer
        said = tokenizer([item["turns"][0][1] for item in items], add_special_tokens=False)["input_ids"]
        answers = [[*ids, tokenizer.eos_token_id] for ids in said]
        ids = [asked + answer for asked, answer in zip(prompts["input_ids"], answers, strict=True)]
        labels = [[IGNORE] * len(asked) + answer for asked, answer in zip(prompts["input_ids"], answers, strict=True)]
        images = {
            name: torch.as_tensor(prompts[name]) for name in ("pixel_values", "image_grid_thw") if name in prompts
        }
        # behind the texts, where nothing sees it, stands the smallest image: its gradients are zeros
        length = max(map(len, ids)) + (not images)
        batch = {
            "input_ids": _padded(ids, tokenizer.pad_token_id, length),
            "attention_mask": _padded([[1] * len(row) for row in ids], 0, length),
            "mm_token_type_ids": _padded(prompts["mm_token_type_ids"], 0, length),
            "labels": _padded(labels, IGNORE, length),
        }
        if not images:
            batch["input_ids"][0, -1] = self.processor.image_token_id
            images = self._blank()
        return batch | images

    def _blank(self) -> dict[str, Tensor]:
        of = self.processor.image_processor
        values = 3 * of.temporal_patch_size * of.patch_size**2
        grid = torch.tensor([[1, of.merge_size, of.merge_size]])
        return {"pixel_values": torch.zeros(of.merge_size**2, values), "image_grid_thw": grid}


def _padded(rows: Sequence[Sequence[int]], value: int, length: int) -> Tensor:
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])


def losses(weights: dict[str, float]) -> Losses:
    """Make the loss function of a stage: the mean over answer tokens, logits for these alone.

    Raises:
        ValueError: a word that is no loss of this model.
    """
    if set(weights) != {"vtg"}:
        raise ValueError(f"`loss_weights` names {sorted(weights)}, allowed for this model is ['vtg']; mend the recipe")

    def compute(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        following = nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORE)
        answering = following != IGNORE
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = model(**inputs, use_cache=False, logits_to_keep=answering).logits
        vtg = nn.functional.cross_entropy(logits.float(), following[answering])
        return {"total": weights["vtg"] * vtg, "vtg": vtg}

    return compute


class _Backbone(Protocol):
    """What transformers' Qwen models keep in `model.model`, as far as images go."""

    get_image_features: Callable[..., Any]


def encode_once(model: nn.Module) -> None:
    """Let a model encode images that stand twice in a batch once: GRPO shows a group the same frames.

    Exact, with gradients and without, in sampling and in scoring.
    """
    backbone = cast(_Backbone, model.model)
    encode_all = backbone.get_image_features

    def encode_unlike(pixel_values: Tensor, image_grid_thw: Tensor, **kwargs):
        images = pixel_values.split(image_grid_thw.prod(-1).tolist())
        places = _places(images, image_grid_thw)
        firsts = np.unique(places, return_index=True)[1].tolist()
        features = encode_all(torch.cat([images[first] for first in firsts]), image_grid_thw[firsts], **kwargs)
        features.pooler_output = tuple(features.pooler_output[place] for place in places)
        return features

    backbone.get_image_features = encode_unlike


def _places(images: Sequence[Tensor], grids: Tensor) -> list[int]:
    """Number images so that like ones share a number, in the order in which they first come."""
    firsts: list[Tensor] = []
    known: dict[tuple, int] = {}
    places = []
    sums = torch.stack([image.sum(dtype=torch.float32) for image in images]).tolist()
    for image, grid, total in zip(images, grids.tolist(), sums, strict=True):
        place = known.setdefault((*grid, total), len(firsts))
        # only images of one sum are compared, for comparing takes longer than adding up
        if place == len(firsts) or not torch.equal(firsts[place], image):
            place = len(firsts)
            firsts.append(image)
        places.append(place)
    return places
