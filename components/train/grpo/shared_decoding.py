"""All completions of a prompt are sampled on one row behind its key-value cache, which is never copied for each.

Transformers' own loop gives every completion a row, and with it a copy of the cache of the whole prompt, which every
token then moves. Here a token of each completion is one column more, and the attention mask keeps them apart, as in
scoring (shared_prompt.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from components.models import qwen_shared_prefix
from components.models.configuration import EgoflowConfig
from components.train.grpo.completion_tree import branches


def decode(
    model,
    input_ids: Tensor,
    logits_processor: Callable[[Tensor, Tensor], Tensor],
    stopping_criteria: Callable[..., Tensor],
    generation_config: GenerationConfig,
    *,
    cache: DynamicCache,
    prompt_mask: Tensor,
    last_positions: Tensor,
    **of_rows: object,
) -> Tensor:
    """Sample as transformers' `generate` does, which calls this in the place of its own loop (`custom_generate`).

    Args:
        model: the policy.
        input_ids: [B * G, P], prompts that are padded on the left, each as often as it has completions.
        logits_processor: of `generate`.
        stopping_criteria: of `generate`.
        generation_config: of `generate`.
        cache: of the B prompts, all but their last token; every completion begins with that one.
        prompt_mask: int [B, P - 1], 0 for padding.
        last_positions: of the last token of each prompt, [B, 1], or [3, B, 1] on three axes.
        **of_rows: what `generate` prepares for rows of their own; not used.

    Returns:
        [B * G, P + C]; behind its end a completion has padding.
    """
    count = len(prompt_mask)
    # a column is what the model reads of one or several completions that are equal so far; at first one of all
    column = torch.zeros(count, len(input_ids) // count, dtype=torch.int64, device=input_ids.device)
    newest, sees = input_ids[:: column.shape[1], -1:], prompt_mask.bool()[:, None, None]
    position_ids = last_positions
    goes_on = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
    while True:  # for this rank: TRL gathers what ZeRO-3 spreads for the whole of the sampling
        own = torch.eye(newest.shape[1], dtype=torch.bool, device=sees.device).expand(count, 1, -1, -1)
        sees = torch.cat([sees, own], dim=-1)
        logits = model(
            input_ids=newest, attention_mask=as_taken(model, sees),
            position_ids=position_ids.expand(*position_ids.shape[:-1], newest.shape[1]),
            past_key_values=cache, use_cache=True,
        ).logits  # fmt: skip
        logits = logits[torch.arange(count, device=column.device).unsqueeze(1), column].flatten(0, 1)
        scores = logits_processor(input_ids, logits.float())
        if generation_config.do_sample:
            tokens = torch.multinomial(scores.softmax(-1), 1)
        else:
            tokens = scores.argmax(-1, keepdim=True)
        tokens = tokens.masked_fill(~goes_on.unsqueeze(1), generation_config.pad_token_id)
        input_ids = torch.cat([input_ids, tokens], dim=1)
        goes_on = goes_on & ~stopping_criteria(input_ids, None)
        if not goes_on.any():
            return input_ids
        tokens = tokens.view_as(column)
        after, chosen = branches(column, tokens, goes_on.view_as(column))
        before, column = column.gather(1, chosen), after
        newest, sees = tokens.gather(1, chosen), sees.take_along_dim(before[:, None, :, None], dim=2)
        position_ids = position_ids + 1


def as_taken(model, sees: Tensor) -> Tensor:
    """Return a mask bool [B, 1, L, S] as the model takes it: Egoflow makes it fit its attention itself."""
    return sees if isinstance(model.config, EgoflowConfig) else qwen_shared_prefix.seen_by(model, sees)
