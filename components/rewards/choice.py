"""Reward for the right option of a multiple-choice question."""

from components.rewards.correctness import is_correct


def choice_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 where the completion says the right option, else 0.0.

    Case and spacing do not count, for a word-level tokenizer puts its own spaces. A chain-of-thought question is
    answered inside the answer tags; any other may be answered bare.

    Args:
        completion: what the model wrote, or the option that ranking chose.
        sample: a row of `records.SAMPLE`.

    Returns:
        None unless the target is a choice.

    >>> target = {"kind": "choice", "choices": ["red", "blue"], "answer_index": 1}
    >>> choice_reward("Blue", {"question_type": "colour", "target": target})
    1.0
    """
    if sample["target"]["kind"] != "choice":
        return None
    return 1.0 if is_correct(completion, sample) else 0.0
