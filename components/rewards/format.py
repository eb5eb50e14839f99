"""Reward for keeping to the think/answer format."""

from components.prompts import split_think_answer


def format_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 for exactly one think block followed by exactly one answer block, else 0.0 (systems §0.2).

    Args:
        completion: what the model wrote.
        sample: with `reasoned`, whether the prompt asks for a thought (`prompts.reasons`).

    Returns:
        None for what is not asked to reason: captions, and plain questions of a stage that is not `reasoned`.

    >>> format_reward("<think>by the sink</think><answer>[0, 0, 8, 8]</answer>", {"reasoned": True})
    1.0
    """
    if not sample["reasoned"]:
        return None
    return float(split_think_answer(completion) is not None)
