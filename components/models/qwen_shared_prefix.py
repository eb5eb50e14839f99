"""Rows of a Qwen model in which several continuations follow one prefix with images: positions and attention mask.

Positions have three axes, on which an image takes fewer places than it has tokens; every continuation goes on where the
prefix ends. A row is laid out with one axis (components/train/packing.py), and given the other two here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.models.private_api import attention_of


def rope_index(
    model, input_ids: Tensor, image_grid_thw: Tensor | None, attention_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the positions [3, B, L] of rows that are one text each, and by how much the next one is off [B, 1].

    Args:
        model: for conditional generation; an engine around it has another `config`.
        input_ids: [B, L].
        image_grid_thw: [images, 3] of all rows, in their order; None where no row has any: a placeholder is a word.
        attention_mask: [B, L], 0 for padding; None: padding counts as text.
    """
    is_image = (input_ids == model.config.image_token_id) & (image_grid_thw is not None)
    return model.model.get_rope_index(
        input_ids, mm_token_type_ids=is_image.int(), image_grid_thw=image_grid_thw, attention_mask=attention_mask
    )


def three_axes(model, input_ids: Tensor, position_ids: Tensor, image_grid_thw: Tensor | None) -> Tensor:
    """Return the positions [3, B, L] of rows in which no continuation has images of its own.

    Only distances count in a rotary embedding, so that a row may also hold several prefixes, one after another.

    Args:
        model: for conditional generation; an engine around it has another `config`.
        input_ids: [B, L], padded on the right.
        position_ids: [B, L], which token of prefix and continuation each is: continuations count on from the prefix.
        image_grid_thw: [images, 3] of all rows, in their order; None where no row has any.
    """
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    # as one text a continuation lies too far behind by what stands between it and the prefix
    return rope_index(model, input_ids, image_grid_thw)[0] + (position_ids - places)


def seen_by(model, sees: Tensor) -> Tensor:
    """Return a mask bool [B, 1, L, L], true where a token (third axis) sees another, as the model's attention takes it.

    Plain attention adds its mask to the scores; sdpa takes it as it is.
    """
    if attention_of(model.config) != "eager":
        return sees
    return torch.zeros_like(sees, dtype=model.dtype).masked_fill(~sees, torch.finfo(model.dtype).min)
