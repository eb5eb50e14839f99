"""Whether the token budget of answers leaves room for right ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from components.prompts import split_think_answer, think_answer

logger = logging.getLogger(__name__)

Sample = dict


def check(
    samples: Mapping[str, Sequence[Sample]], *, count_tokens: Callable[[list[str]], list[int]], max_new_tokens: int
) -> None:
    """Refuse a budget that not even the shortest right answers fit; warn of one that cuts those that are trained on.

    Args:
        samples: task whose answers are written -> its samples.
        count_tokens: texts to the numbers of their tokens, the end token among them.
        max_new_tokens: the budget.

    Raises:
        ValueError: names every such task, the share of its perfect answers that are longer, and the longest.
    """
    refused = []
    for task, asked in samples.items():
        lengths = count_tokens([sample["answer"] for sample in asked])
        if over := sum(length > max_new_tokens for length in lengths):
            share = f"{over / len(lengths):.1%} of perfect answers are longer, up to {max(lengths)} tokens"
            logger.warning("%s: max_new_tokens %d is little: %s", task, max_new_tokens, share)
        checked = [sample for sample in asked if sample["target"]["kind"] != "text"]
        shortest = count_tokens([shortest_answer(sample) for sample in checked]) if checked else []
        if over := sum(length > max_new_tokens for length in shortest):
            refused.append(f"{task}: {over / len(shortest):.1%} of answers are longer, up to {max(shortest)} tokens")
    if refused:
        raise ValueError(
            f"max_new_tokens {max_new_tokens} came, but a cut answer cannot be read, and even without a thought "
            f"{'; '.join(refused)}. Raise `max_new_tokens` of the stage in the recipe (of grpo, "
            "`max_completion_length`), or in params/eval.yaml"
        )


def shortest_answer(sample: Sample) -> str:
    """Return the right answer of a sample in the form that is asked, without a thought."""
    if sample["reasoned"] and sample["target"]["kind"] == "choice":
        return think_answer("", "A")  # a letter
    answer, parts = sample["answer"], split_think_answer(sample["answer"])
    return think_answer("", parts[1] if parts else answer) if parts or sample["reasoned"] else answer
