"""Multiple choice by likelihood: which option a causal language model would most likely have written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def continued(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], options: Sequence[Sequence[str]]
) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Tokenize prompts with each of their options behind them, as a text that a model was trained on.

    Where a prompt ends and an option begins, characters of both may be one token: alone, the prompt would end in a
    token that never stands before this option, and the option begin with one that never stands there. Such a prompt
    ends before the first token that differs, and all its options begin there, so that all stand for the same text.

    Args:
        tokenizer: of the model.
        prompts: or the last part of each, behind which options come.
        options: of each prompt.

    Returns:
        The token ids of each prompt that none of its options changes, and those of its options from there on.
    """
    texts = [prompt + end for prompt, choices in zip(prompts, options, strict=True) for end in ("", *choices)]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    read = [[next(ids) for _ in range(1 + len(choices))] for choices in options]
    kept = [os.path.commonprefix(of_prompt) for of_prompt in read]
    return kept, [[whole[len(one) :] for whole in wholes] for one, (_, *wholes) in zip(kept, read, strict=True)]


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
