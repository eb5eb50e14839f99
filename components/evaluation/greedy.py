"""Greedy decoding behind prompts that are read, by which rows that have ended leave the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig

from components.evaluation.prefix_cache import Prompts, behind


def decode(
    model,
    input_ids: Tensor,
    logits_processor: Callable[[Tensor, Tensor], Tensor],
    stopping_criteria: Callable[..., Tensor],
    generation_config: GenerationConfig,
    *,
    prompts: Prompts,
    **of_rows: object,
) -> Tensor:
    """Decode as transformers' `generate` does, which calls this in the place of its own loop (`custom_generate`).

    Args:
        model: in evaluation mode.
        input_ids: of `generate`; not used.
        logits_processor: of `generate`.
        stopping_criteria: of `generate`, which ends at `max_new_tokens` and end tokens, as this does.
        generation_config: of `generate`.
        prompts: that the model has read; their cache is used up.
        **of_rows: what `generate` prepares to read the prompts by; not used.

    Returns:
        Token ids [B, L]; behind its first end token a row holds end tokens.
    """
    most, ends = generation_config.max_new_tokens, generation_config.eos_token_id
    ends = torch.as_tensor(ends, device=prompts.logits.device).flatten()
    said = ends[0].repeat(len(prompts.logits), most)
    sees = functional.pad(prompts.real, (0, most), value=True).unsqueeze(1)
    rows = torch.arange(len(said), device=said.device)  # that are still decoded
    goes_on = torch.ones_like(rows, dtype=torch.bool)  # of these, which have not ended
    logits, position_ids = prompts.logits, prompts.next_positions
    for step in range(most):
        tokens = logits_processor(said[rows, :step], logits.float()).argmax(-1)
        said[rows[goes_on], step] = tokens[goes_on]
        goes_on = goes_on & ~torch.isin(tokens, ends)
        left = int(goes_on.sum())
        if not left or step + 1 == most:
            break
        if 2 * left <= len(rows):  # a smaller batch is faster, but the cache must be copied for it
            prompts.cache.batch_select_indices(goes_on.nonzero()[:, 0])
            rows, sees, tokens, position_ids = (
                rows[goes_on],
                sees[goes_on],
                tokens[goes_on],
                position_ids[..., goes_on, :],
            )
            goes_on = goes_on[goes_on]
        seen = sees[..., : prompts.real.shape[1] + step + 1]
        logits = model.lm_head(behind(model, prompts.cache, tokens.unsqueeze(1), seen, position_ids)[:, -1])
        position_ids = position_ids + 1
    return said[:, : step + 1]
