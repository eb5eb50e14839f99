"""Multiple choice by likelihood: which option a causal language model would most likely have written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from components.evaluation.prefix_cache import Prompts, behind

LOGITS_AT_ONCE = 2048  # tokens


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


def likeliest(model: PreTrainedModel, prompts: Prompts, options: Sequence[Sequence[list[int]]]) -> list[int]:
    """Return, for each prompt of a batch, the option with the highest mean log-probability of its tokens.

    All options of a prompt stand on one row behind it, and none sees another: its cache is copied for none.

    Args:
        model: in evaluation mode.
        prompts: that it has read; their cache is used up.
        options: for each prompt the token ids of its options, each with the end token.

    Returns:
        An index into its options for each prompt; of equal ones the first.
    """
    rows = [row for row, choices in enumerate(options) for _ in choices]
    flat = [ids for choices in options for ids in choices]
    device = prompts.logits.device
    firsts = torch.tensor([ids[0] for ids in flat], device=device)
    sums = prompts.logits.float().log_softmax(-1)[torch.tensor(rows, device=device), firsts]
    if max(map(len, flat)) > 1:
        sums = sums + _behind_the_first(model, prompts, options)
    means = (sums / torch.tensor([len(ids) for ids in flat], device=device)).cpu().numpy()
    ends = np.cumsum([len(choices) for choices in options])
    return [int(np.argmax(of_row)) for of_row in np.split(means, ends[:-1])]


def _behind_the_first(model: PreTrainedModel, prompts: Prompts, options: Sequence[Sequence[list[int]]]) -> torch.Tensor:
    """Return the sum over the tokens of each option but its first [options of all prompts]."""
    number = itertools.count()
    of_rows: list[list[tuple[int, int, int, int]]] = [
        [
            (option, place, token, following)
            for ids, option in zip(choices, number, strict=False)
            for place, (token, following) in enumerate(itertools.pairwise(ids))
        ]
        for choices in options
    ]
    length = max(map(len, of_rows))
    padded = np.array([row + [(-1, 0, 0, -1)] * (length - len(row)) for row in of_rows]).transpose(2, 0, 1)
    of_option, places, tokens, following = torch.from_numpy(padded).to(prompts.logits.device)
    # what pads sees what pads, at least itself: a position that sees nothing would give NaN
    own = (of_option.unsqueeze(2) == of_option.unsqueeze(1)).tril()
    sees = torch.cat([prompts.real.unsqueeze(1).expand(-1, length, -1), own], 2)
    hidden = behind(model, prompts.cache, tokens, sees, prompts.next_positions + places)
    asked = of_option >= 0
    # not all at once: of many tokens each word of a large vocabulary would be gigabytes
    parts = zip(hidden[asked].split(LOGITS_AT_ONCE), following[asked].split(LOGITS_AT_ONCE), strict=True)
    logp = [-functional.cross_entropy(model.lm_head(part).float(), ids, reduction="none") for part, ids in parts]
    return torch.zeros(sum(map(len, options)), device=hidden.device).index_add(0, of_option[asked], torch.cat(logp))
