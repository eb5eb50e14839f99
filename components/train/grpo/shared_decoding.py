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
    group = len(input_ids) // count
    sees = prompt_mask.bool()[:, None, None].expand(-1, 1, group, -1)
    own = torch.eye(group, dtype=torch.bool, device=sees.device).expand(count, 1, -1, -1)
    position_ids = last_positions.expand(*last_positions.shape[:-1], group)
    goes_on = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
    while goes_on.any():  # of this rank: TRL gathers what ZeRO-3 spreads for the whole of the sampling
        sees = torch.cat([sees, own], dim=-1)
        logits = model(
            input_ids=input_ids[:, -1].view(count, group), attention_mask=as_taken(model, sees),
            position_ids=position_ids, past_key_values=cache, use_cache=True,
        ).logits.flatten(0, 1)  # fmt: skip
        scores = logits_processor(input_ids, logits.float())
        if generation_config.do_sample:
            tokens = torch.multinomial(scores.softmax(-1), 1)
        else:
            tokens = scores.argmax(-1, keepdim=True)
        tokens = tokens.masked_fill(~goes_on.unsqueeze(1), generation_config.pad_token_id)
        input_ids = torch.cat([input_ids, tokens], dim=1)
        goes_on = goes_on & ~stopping_criteria(input_ids, None)
        position_ids = position_ids + 1
    return input_ids


def as_taken(model, sees: Tensor) -> Tensor:
    """Return a mask bool [B, 1, L, S] as the model takes it: Egoflow makes it fit its attention itself."""
    return sees if isinstance(model.config, EgoflowConfig) else qwen_shared_prefix.seen_by(model, sees)
