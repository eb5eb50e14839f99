"""What a Qwen model is trained on: rows by its own processor, the token loss over answers, images encoded once.

Every batch holds at least one image, so that every rank runs the vision tower in every step: under ZeRO-3 a module
gathers its weights from all ranks, and one with text alone would leave the others waiting for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BatchFeature

from components.models import build
from components.models.processing import conversation
from components.models.qwen_ego_setup import PLACE
from components.models.qwen_ego_tokens import CLASSES
from components.models.qwen_vl import QwenProcessor
from components.train import qwen_rows
from components.train.packing import IGNORE
from components.train.qwen_rows import Piece
from components.train.trainer import Losses

_VISION_END = "<|vision_end|>"  # behind each image


class Collate:
    """Items, as `models.qwen_vl.shown` gives them, to the model's inputs.

    Samples may differ in frames, or have none. What is asked about the same frames stands behind one copy of them,
    whether it came as turns of one item or in several items, and short samples share rows (train/qwen_rows.py): what a
    batch teaches stays the same.
    """

    def __init__(self, processor: QwenProcessor):
        self.processor = processor

    def __call__(self, items: Sequence[dict]) -> dict[str, Tensor]:
        """Return what `qwen_rows.batch_of` gives.

        The labels are the answers and the token that ends each, IGNORE elsewhere; an answer is tokenized by itself, as
        it would be generated.
        """
        pieces = self._pieces(items)
        rows = qwen_rows.fill_rows(pieces)
        if not any(len(each.image_grid_thw) for each in pieces):
            # behind the texts, where nothing sees it, stands the smallest image: its gradients are zeros
            min(rows, key=lambda row: sum(map(len, row))).append(self._blank())
        return qwen_rows.batch_of(
            rows, pad_id=self.processor.tokenizer.pad_token_id, additive=build.attention() == "eager"
        )

    def _pieces(self, items: Sequence[dict]) -> list[Piece]:
        asked: dict[tuple, tuple[np.ndarray, list[tuple[str, str]]]] = {}
        for item in items:
            frames = item["frames"]
            same = frames.shape, hashlib.sha256(frames.tobytes()).digest()
            for question, answer in item["turns"]:
                chat = conversation(question, item["view"], len(frames))
                text = self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
                # a special token: on both of its sides the text is tokenized as if it stood alone
                behind = text.rpartition(_VISION_END)[2].removeprefix(PLACE * self.processor.ego_tokens)
                context = text[: len(text) - len(behind)]
                key = (context, *same) if context else (context, len(asked))  # text alone shares nothing
                asked.setdefault(key, (frames, []))[1].append((behind, answer))
        shown = [frame for frames, _ in asked.values() for frame in frames]
        contexts = self.processor(images=shown or None, text=[context for context, *_ in asked])
        spoken = iter(self._tokens([text for _, turns in asked.values() for turn in turns for text in turn]))
        end = self.processor.tokenizer.eos_token_id
        pixel_values, grids = self._images(contexts, [len(frames) for frames, _ in asked.values()])
        merge_size = self.processor.image_processor.merge_size
        pieces = []
        for ids, types, values, grid, (_, turns) in zip(
            contexts["input_ids"], contexts["mm_token_type_ids"], pixel_values, grids, asked.values(), strict=True
        ):
            pairs = [(next(spoken), [*next(spoken), end]) for _ in turns]
            pieces.append(qwen_rows.piece((ids, types), pairs, values, grid, merge_size=merge_size))
        return pieces

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        return self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]

    def _images(self, contexts: BatchFeature, counts: list[int]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the patches and the grids of each context."""
        if not any(counts):
            none = self._blank()
            return [none.pixel_values[:0]] * len(counts), [none.image_grid_thw[:0]] * len(counts)
        grids = torch.as_tensor(contexts["image_grid_thw"]).split(counts)
        patches = [int(grid.prod(-1).sum()) for grid in grids]
        return torch.as_tensor(contexts["pixel_values"]).split(patches), grids

    def _blank(self) -> Piece:
        of = self.processor.image_processor
        values = torch.zeros(of.merge_size**2, 3 * of.temporal_patch_size * of.patch_size**2)
        grid = torch.tensor([[1, of.merge_size, of.merge_size]])
        # with the places of its tokens: they have parts of their own, which every rank must run
        places = self.processor.tokenizer([PLACE * self.processor.ego_tokens])["input_ids"][0]
        context = [self.processor.image_token_id, *places], [1, *[0] * len(places)]
        return qwen_rows.piece(context, [], values, grid, merge_size=of.merge_size)


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

    Exact, with gradients and without, in sampling and in scoring. A model with ego-adaptive tokens is left alone: they
    read the patches of every clip in every layer, which must be there as often as they are shown.
    """
    if isinstance(model.config, tuple(CLASSES)):
        return
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
