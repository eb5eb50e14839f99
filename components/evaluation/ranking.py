"""Multiple choice by likelihood: which option a causal language model would most likely have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def likeliest(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Mapping[str, torch.Tensor],
    options: Sequence[Sequence[list[int]]],
    *,
    next_positions: torch.Tensor | None = None,
) -> list[int]:
    """Return, for each prompt of a batch, the option with the highest mean log-probability of its tokens.

    A prompt is read once; its options continue from its key-value cache.

    Args:
        model: in evaluation mode.
        tokenizer: pads the options.
        inputs: of the prompts, padded on the left: keyword arguments of the model, with `attention_mask` [B, L].
        options: for each prompt the token ids of its options, each with the end token.
        next_positions: [B, 1], the position of the first token after each prompt, for a model in which an image takes
            fewer positions than tokens; its positions have three axes. None: the model counts them itself.

    Returns:
        An index into its options for each prompt; of equal ones the first.
    """
    rows = torch.tensor([row for row, choices in enumerate(options) for _ in choices], device=model.device)
    tokens = [ids for choices in options for ids in choices]
    answers = tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
    ids, real = answers["input_ids"].to(model.device), answers["attention_mask"].to(model.device)
    read = model(**inputs, use_cache=True, logits_to_keep=1)
    read.past_key_values.batch_select_indices(rows)
    positions = {}
    if next_positions is not None:
        steps = torch.arange(ids.shape[1], device=model.device)
        positions["position_ids"] = (next_positions[rows] + steps).expand(3, -1, -1)
    follow = model(
        ids,
        attention_mask=torch.cat([inputs["attention_mask"][rows], real], dim=1),
        past_key_values=read.past_key_values,
        **positions,
    )
    logits = torch.cat([read.logits[rows], follow.logits[:, :-1]], dim=1)
    logp = logits.float().log_softmax(-1).gather(2, ids.unsqueeze(2)).squeeze(2)
    means = ((logp * real).sum(1) / real.sum(1)).cpu().numpy()
    of_row = rows.cpu().numpy()
    return [int(np.argmax(means[of_row == row])) for row in range(len(options))]
