"""Reward for the right option of a multiple-choice question."""

from components.rewards.correctness import is_correct


def choice_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 where the completion says the right option, else 0.0.

    The option may be named by its letter or by its words (`prompts.parse_choice`). Where a thought is asked for, the
    answer stands inside the answer tags; elsewhere it may be bare.

    Args:
        completion: what the model wrote, or the option that ranking chose.
        sample: a row of `records.SAMPLE`, with `reasoned`, whether the prompt asks for a thought.

    Returns:
        None unless the target is a choice.

    >>> target = {"kind": "choice", "choices": ["red", "blue"], "answer_index": 1}
    >>> choice_reward("Blue", {"reasoned": False, "target": target})
    1.0
    """
    if sample["target"]["kind"] != "choice":
        return None
    return 1.0 if is_correct(completion, sample) else 0.0
