"""Reward for a right answer that follows from the reasoning before it (GRPO-CARE's consistency bonus, updates §1.2)."""

from components.rewards.correctness import is_correct


def reasoning_consistency_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 for a right answer that its reasoning makes at least as likely as its group's does, else 0.0.

    GRPO-CARE asks a slow average of the policy how likely the answer is; here it is the stage's reference model.

    Args:
        completion: what the model wrote.
        sample: a row of `records.SAMPLE` with `answer_log_prob`, the reference model's mean log-probability of the
            answer's tokens behind this reasoning, and `group_log_prob`, the mean of it over the group's right answers
            (components/train/grpo/answer_likelihood.py).

    Returns:
        None where there is no answer whose likelihood is known, or no right one in the group.

    >>> choice = {"kind": "choice", "choices": ["red", "blue"], "answer_index": 0}
    >>> row = {"target": choice, "reasoned": True, "answer_log_prob": -0.1, "group_log_prob": -0.4}
    >>> reasoning_consistency_reward("<think>C holds it</think><answer>red</answer>", row)
    1.0
    """
    right, of_group = is_correct(completion, sample), sample.get("group_log_prob")
    if right is None or of_group is None or sample["answer_log_prob"] is None:
        return None
    return float(right and sample["answer_log_prob"] >= of_group)
