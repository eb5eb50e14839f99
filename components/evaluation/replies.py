"""What a model answered to one sample, and batches of samples that fit a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Reply:
    """The answer of a model to one sample.

    Attributes:
        completion: its text without special tokens, or the option that ranking chose.
        tokens: how many the model wrote, with the end token; 0 where it wrote none.
        is_cut: the budget of new tokens ended before the answer did.
        is_too_long: prompt and answer do not fit the model's context, so that it was not asked.
        unreadable: why nothing could be shown; empty where all was well.
    """

    completion: str
    tokens: int = 0
    is_cut: bool = False
    is_too_long: bool = False
    unreadable: str = ""


TOO_LONG = Reply("", is_too_long=True)


def written(ids: torch.Tensor, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[Reply]:
    """Return the replies that a batch of generated tokens holds.

    Args:
        ids: what `generate` gives after the prompts [B, L]; behind an end token it pads.
        model: knows its end tokens.
        tokenizer: of the model.
    """
    known = model.generation_config.eos_token_id
    ends = set(known if isinstance(known, list) else [known])
    rows = ids.tolist()
    tokens = [next((place + 1 for place, token in enumerate(row) if token in ends), None) for row in rows]
    said = [row[:count] for row, count in zip(rows, tokens, strict=True)]
    texts = tokenizer.batch_decode(said, skip_special_tokens=True)
    return [Reply(text, len(row), is_cut=count is None) for text, row, count in zip(texts, said, tokens, strict=True)]


def batches(
    prompt_tokens: Sequence[int], *, new_tokens: int, most_tokens: int, context_tokens: int, answers: int = 1
) -> list[list[int]]:
    """Group prompts of similar length into batches that hold a budget of tokens, padding counted.

    A prompt that is longer than the budget is a batch by itself. One that does not fit the model's context together
    with its answer is in none.

    Args:
        prompt_tokens: length of each prompt.
        new_tokens: of an answer.
        most_tokens: of a batch, prompts and answers.
        context_tokens: positions that the model knows.
        answers: that stand behind each prompt: one, or as many as it has options to be ranked.

    Returns:
        Places of the prompts, shortest first.

    >>> batches([50, 10, 400, 20], new_tokens=10, most_tokens=60, context_tokens=100)
    [[1, 3], [0]]
    """
    fitting = [place for place, length in enumerate(prompt_tokens) if length + new_tokens <= context_tokens]
    found: list[list[int]] = []
    for place in sorted(fitting, key=prompt_tokens.__getitem__):  # so that the newest of a batch is its longest
        row_tokens = prompt_tokens[place] + new_tokens * answers
        if found and (len(found[-1]) + 1) * row_tokens <= most_tokens:
            found[-1].append(place)
        else:
            found.append([place])
    return found
