"""Reward for keeping to the think/answer format."""

from components.prompts import split_think_answer


def format_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 for exactly one think block followed by exactly one answer block, else 0.0 (systems §0.2).

    Args:
        completion: what the model wrote.
        sample: a row of `records.SAMPLE`.

    Returns:
        None for captions and plain questions, which are not asked to reason.

    >>> format_reward("<think>by the sink</think><answer>[0, 0, 8, 8]</answer>", {"target": {"kind": "box"}})
    1.0
    """
    if sample["target"]["kind"] not in ("box", "span") and sample["question_type"] != "cot":
        return None
    return float(split_think_answer(completion) is not None)
